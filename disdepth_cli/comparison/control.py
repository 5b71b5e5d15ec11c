"""The control beside a distilled student: the same student, data, steps, seed and views, without the teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from disdepth_cli.checkpoint.locate import DISTILLED, STUDENT
from disdepth_cli.comparison.arm import check_path, check_same_network, train_arm
from disdepth_cli.comparison.gain import gain_in_words, gains
from disdepth_cli.comparison.kept_student import choose, distilled_file, keep_student
from disdepth_cli.config import DistillConfig
from disdepth_cli.machine.processes import from_main
from disdepth_cli.observer import Observer
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.runs.contents import beside
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.scoring.score import Scores, score_split, val_items
from disdepth_cli.scoring.summary import summary
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.distillation.transfer_errors import on_training_images, opened
from disdepth_cli.training.live_page import add_to_page


def control_path(run: Path) -> Path:
    """The folder of a run's control."""
    return beside(run, "-control")


def control_of(config: DistillConfig, path: Path) -> DistillConfig:
    """The control's configuration: what concerns the teacher, the comparison and the Hub is left out."""
    return arm_of(config, path, *DistillConfig.named(concerns="teacher")).replaced(distill=False)


def arm_of(config: DistillConfig, path: Path, *away: str) -> DistillConfig:
    """The configuration of one arm of a comparison, which is compared with nothing and sent nowhere itself; the options
    `away` have their defaults too."""
    options = DistillConfig.options()
    names = (*away, *DistillConfig.named(concerns="comparison"), "push_to_hub", "budget")
    return config.replaced(**{name: options[name].default for name in names}, output=path)


def check_control_path(config: DistillConfig, run: Path) -> None:
    """Refuse a control's folder that holds something else before the student has been trained for hours.

    Raises:
        ConfigError: it does.
    """
    from_main(lambda: check_path(control_of(config, control_path(run))))


def compare_with_control(
    config: DistillConfig, data: TrainingData, run: RunFolder, observer: Observer
) -> dict[str, Any]:
    """Train the control of the finished student in `run`, score both on the val images, and keep one of them.

    Returns {"control": {"run", "steps", "best_step", "metrics", "train_metrics"}, "gain": {metric: {...}}, "kept":
    {"student", "rule", "distilled"}}: see `gain.Gain.as_dict`; student is `distilled` or `control`, distilled the file
    of that one; train_metrics: on some labelled training images.

    Raises:
        ConfigError: the control's folder holds something else.
        Interrupted: stopped by a signal; the state is saved.
    """
    target = control_path(run.path)
    observer.on_note(f"control: the same student without the teacher, into {target}")
    report = train_arm(control_of(config, target), data, run.path, observer)
    from_main(lambda: check_same_network(distilled_file(run.path), target / STUDENT))
    student, control = (_scores(config, data, file) for file in (distilled_file(run.path), target / STUDENT))
    on_train = from_main(lambda: _look_at_control(opened(config.machine, target / STUDENT), data, run))
    gain = gains(student, control)
    kept = choose(config.compare.keep, gain)
    from_main(lambda: keep_student(kept, run.path, target))
    _warn_if_worse(gain, kept == "control", observer)
    about = {"run": str(target), "steps": report.steps, "best_step": report.best_step}
    return {
        "control": {**about, "metrics": summary(control), "train_metrics": on_train},
        "gain": gain,
        "kept": {"student": kept, "rule": config.compare.keep, "distilled": distilled_file(run.path).name},
    }


def _look_at_control(control: DepthPredictor, data: TrainingData, run: RunFolder) -> dict[str, float] | None:
    """Draw the control on the student's page; its metrics on some labelled training images."""
    add_to_page(run, data, "control", control)
    return on_training_images(control, data)


def _scores(config: DistillConfig, data: TrainingData, file: Path) -> Scores:
    """The val images' scores of a student, in all processes."""
    predictor = opened(config.machine, file)
    return score_split(predictor, data.source, val_items(data.source), data.protocol, workers=data.workers)


def _warn_if_worse(gain: dict[str, dict[str, Any]], replaced: bool, observer: Observer) -> None:
    worse = [gain_in_words(metric, of_metric) for metric, of_metric in gain.items() if of_metric["verdict"] == "worse"]
    instead = f"; {STUDENT} is the control's now, the distilled one is {DISTILLED} beside it" if replaced else ""
    if worse:
        observer.on_warning(
            f"the distilled student is worse than its control: {', '.join(worse)}{instead}; try other loss weights "
            "(--sweep), another --teacher, or do without (--no-distill)"
        )
    elif replaced:
        observer.on_note(f"{gain_in_words('rmse', gain['rmse'])}{instead}")
