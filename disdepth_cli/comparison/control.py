"""The control beside a distilled student: the same student, data, steps, seed and views, without the teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from disdepth_cli.checkpoint.locate import STUDENT
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.comparison.arm import Train, check_place, train_arm
from disdepth_cli.comparison.gain import gain_in_words, gains
from disdepth_cli.comparison.keeping import DISTILLED, choose, distilled_file, hand_out
from disdepth_cli.config import DistillConfig
from disdepth_cli.errors import ConfigError
from disdepth_cli.machine.devices import make_accelerator
from disdepth_cli.machine.processes import from_main
from disdepth_cli.observer import Observer
from disdepth_cli.runs.folder import RunFolder, beside
from disdepth_cli.scoring.open_model import open_student
from disdepth_cli.scoring.score import Scores, score_split, val_items
from disdepth_cli.scoring.summary import summary
from disdepth_cli.training.data import TrainingData

OF_TEACHERS = (
    *("teacher", "revision", "teacher_weights", "teacher_fusion", "output_weight", "output_target", "feature_weight"),
    *("feature_target", "feature_levels", "feature_projection", "attention", "init_decoder", "init_backbone"),
    *("pseudo_drop", "pseudo_confidence", "teacher_cache"),
)
"""Options that mean nothing to a control: it has their defaults, so that one control serves whatever they are."""

OF_COMPARISON = ("control", "keep", "sweep", "sweep_steps")
"""Options that say what a run is compared with, and what follows from it."""


def control_place(run: Path) -> Path:
    """The folder of a run's control."""
    return beside(run, "-control")


def control_of(config: DistillConfig, place: Path) -> DistillConfig:
    """The control's configuration: what concerns the teacher, the comparison and the Hub is left out."""
    return arm_of(config, place, *OF_TEACHERS).model_copy(update={"distill": False})


def arm_of(config: DistillConfig, place: Path, *away: str) -> DistillConfig:
    """The configuration of one arm of a comparison, which is compared with nothing and sent nowhere itself; the options
    `away` have their defaults too."""
    fields = DistillConfig.model_fields
    defaults = {name: fields[name].default for name in (*away, *OF_COMPARISON, "push_to_hub", "budget")}
    return config.model_copy(update={**defaults, "output": place})


def check_control_place(config: DistillConfig, run: Path) -> None:
    """Refuse a control's folder that holds something else before the student has been trained for hours.

    Raises:
        ConfigError: it does.
    """
    from_main(lambda: check_place(control_of(config, control_place(run))))


def compare_with_control(
    config: DistillConfig, data: TrainingData, run: RunFolder, train: Train, observers: Sequence[Observer]
) -> dict[str, Any]:
    """Train the control of the finished student in `run`, score both on the val images, and hand out one of them.

    Returns {"control": {"run", "steps", "best_step", "metrics"}, "gain": {metric: {...}}, "kept": {"student", "rule",
    "distilled"}}: see `gain.Gain.as_dict`; student is `distilled` or `control`, distilled the file of that one.

    Raises:
        ConfigError: the control's folder holds something else.
        Interrupted: stopped by a signal; the state is saved.
    """
    place = control_place(run.path)
    for observer in observers:
        observer.on_note(f"control: the same student without the teacher, into {place}")
    report = train_arm(control_of(config, place), data, run.path, train, observers)
    from_main(lambda: _check_same_network(run.path, place))
    student, control = (_scores(config, data, file) for file in (distilled_file(run.path), place / STUDENT))
    gain = gains(student, control)
    kept = choose(config.keep, gain)
    from_main(lambda: hand_out(kept, run.path, place))
    _warn_if_worse(gain, kept == "control", observers)
    about = {"run": str(place), "steps": report["steps"], "best_step": report["best_step"]}
    return {
        "control": {**about, "metrics": summary(control)},
        "gain": gain,
        "kept": {"student": kept, "rule": config.keep, "distilled": distilled_file(run.path).name},
    }


def _scores(config: DistillConfig, data: TrainingData, file: Path) -> Scores:
    """The val images' scores of a student, in all processes."""
    device = str(make_accelerator(config).device)
    predictor = open_student(file, device, config.precision)
    return score_split(predictor, data.source, val_items(data.source), data.protocol, workers=config.workers)


def _check_same_network(run: Path, place: Path) -> None:
    """The range is the data's, which may have changed since one of the two was trained.

    Raises:
        ConfigError: the two are not one architecture.
    """
    files = (distilled_file(run), place / STUDENT)
    ours, theirs = (asdict(read_metadata(file).architecture()) for file in files)
    for name in ours:
        if ours[name] != theirs[name]:
            raise ConfigError(
                f"{place}: was made for {name.replace('_', ' ')} {theirs[name]}, the student for {ours[name]}; has the "
                "data changed since? remove it and go on with --resume"
            )


def _warn_if_worse(gain: dict[str, dict[str, Any]], replaced: bool, observers: Sequence[Observer]) -> None:
    worse = [gain_in_words(metric, of_metric) for metric, of_metric in gain.items() if of_metric["verdict"] == "worse"]
    instead = f"; {STUDENT} is the control's now, the distilled one is {DISTILLED} beside it" if replaced else ""
    for observer in observers:
        if worse:
            observer.on_warning(
                f"the distilled student is worse than its control: {', '.join(worse)}{instead}; try other loss weights "
                "(--sweep), another --teacher, or do without (--no-distill)"
            )
        elif replaced:
            observer.on_note(f"{gain_in_words('rmse', gain['rmse'])}{instead}")
