"""One arm of a comparison: a run of its own beside another, trained only as far as it is not finished."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.config import DistillConfig
from disdepth_cli.config.parts import CompareOptions
from disdepth_cli.errors import CheckpointError, ConfigError, Interrupted
from disdepth_cli.machine.processes import from_main
from disdepth_cli.observer import Observer
from disdepth_cli.reading import reading
from disdepth_cli.results.training import DistillReport
from disdepth_cli.runs.contents import REPORT, RunContents
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.distillation.acclimated_first import resolve_teachers
from disdepth_cli.training.distillation.run import run_distillation
from disdepth_cli.training.prepare import require_labels
from disdepth_cli.training.session import open_session

WITHOUT_TEACHER = "without a teacher a student learns from ground truth alone; give labelled images, or a --teacher"


def check_keep(compare: CompareOptions) -> None:
    """Refuse to choose where there is nothing to choose from.

    Raises:
        ConfigError: `keep` without `control`.
    """
    if compare.keep != "auto" and not compare.control:
        raise ConfigError(
            f"--keep {compare.keep}: chooses between the student and its control; add --control, or take it "
            "back with --keep auto"
        )


def check_comparable(config: DistillConfig, data: TrainingData) -> None:
    """Refuse `control` and `sweep` where there is no control to be had.

    Raises:
        ConfigError: the run is a control itself, or has no ground truth to train a control on and to score both by
            (a student of relative disparity has none).
    """
    for asked, flag in ((config.compare.control, "--control"), (config.compare.sweep, "--sweep")):
        if asked and not config.method.distill:
            raise ConfigError(f"{flag}: contradicts --no-distill, which trains the control itself; leave one out")
        for split, name in (("train", "training"), ("val", "val")):
            if asked and not data.source.labelled(split):  # type: ignore[arg-type]
                raise ConfigError(
                    f"{flag}: the {name} images of {data.source.root} have no depth; a control learns from ground "
                    f"truth and both are scored by it: give some, or leave {flag} out"
                )


def check_path(config: DistillConfig) -> bool:
    """Whether the folder of an arm, `config.run.output`, holds a begun run of these very options, or nothing.

    Raises:
        ConfigError: it holds something else.
    """
    run = RunFolder(_path_of(config))
    begun = RunContents(run.path).is_begun
    if begun:
        run.check_same(config, "distill", advice=f"remove {run.path}, or name another -o")
    else:
        run.check_free(advice="remove it, or name another -o")
    return begun


def train_alone(config: DistillConfig, data: TrainingData, observer: Observer) -> DistillReport:
    """One run that is compared with nothing: a student with its teacher, or a control.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    if not config.method.distill:
        require_labels(data, WITHOUT_TEACHER)
        if data.source.counts()[1]:
            observer.on_note("without a teacher: as many steps, all of them on the labelled images")
    config = resolve_teachers(config, observer)
    control = not config.method.distill and config.student.init is None
    name = f"{config.student.backbone}-control" if control else config.student.backbone
    return run_distillation(config, open_session(config, "distill", name, data, observer))


def train_arm(config: DistillConfig, data: TrainingData, whole: Path, observer: Observer) -> DistillReport:
    """The report of the run in `config.run.output`: read where finished, gone on with where begun, else made.

    whole: the run that the arm belongs to, which is the one to be resumed.

    Raises:
        ConfigError: the folder holds something else.
        Interrupted: stopped by a signal; the state is saved.
    """
    location = _path_of(config)
    begun, report = from_main(lambda: (check_path(config), finished_run(location)))
    if report is not None:
        observer.on_note(f"{location}: is finished; remove it to train it again")
        return report
    try:
        return train_alone(config.replaced(resume=begun), data, observer)
    except Interrupted as error:
        where = str(error).split(";")[0]
        raise Interrupted(f"{where} of {location}; go on with --resume -o {whole}") from None


def check_same_network(student: Path, control: Path) -> None:
    """The range is the data's, which may have changed since one of the two was trained.

    Raises:
        ConfigError: the two files are not of one architecture.
    """
    own, other = (asdict(read_metadata(file).architecture()) for file in (student, control))
    for name in own:
        if own[name] != other[name]:
            raise ConfigError(
                f"{control.parent}: was made for {name.replace('_', ' ')} {other[name]}, the student for {own[name]}; "
                "has the data changed since? remove it and go on with --resume"
            )


def finished_run(path: Path) -> DistillReport | None:
    """The report of a run that came to its end, None of any other, and where it is damaged: then it is made again."""
    run = RunContents(path)
    if not run.is_finished:
        return None
    try:
        with reading(path / REPORT, "is damaged", CheckpointError):
            return DistillReport.of({"run": str(path), **run.report()})
    except CheckpointError:
        return None


def _path_of(config: DistillConfig) -> Path:
    assert config.run.output is not None
    return config.run.output
