"""A teacher before its run: what it is, told before any time is spent, what to beware of, what data become."""

from __future__ import annotations

from collections.abc import Sequence

from disdepth_cli.config import AcclimateConfig, TeacherConfig
from disdepth_cli.engine.observers import Observer
from disdepth_cli.engine.preparation import TrainingData, require_labels
from disdepth_cli.errors import ConfigError
from disdepth_cli.teachers import DepthTeacher, load_teacher
from disdepth_cli.teachers.describe import describe_teacher, with_flops
from disdepth_cli.teachers.licences import classify_licence, licence_note


def described(config: TeacherConfig, offline: bool = False) -> dict[str, str]:
    """The contract of a configuration's teacher, key by key, without fetching its weights.

    Raises:
        TeacherError: it cannot be found or used.
    """
    contract = describe_teacher(
        config.teacher, revision=config.revision, weights=config.teacher_weights, offline=offline
    )
    return dict(line.split(": ", 1) for line in contract.lines())


def open_teacher(config: TeacherConfig, observers: Sequence[Observer], offline: bool = False) -> DepthTeacher:
    """The teacher of a configuration, fetched where it must be, its contract told to the observers.

    Raises:
        TeacherError: it cannot be found, fetched, loaded or used.
    """

    def note(line: str) -> None:
        for observer in observers:
            observer.on_note(line)

    teacher = load_teacher(
        config.teacher, revision=config.revision, weights=config.teacher_weights, offline=offline, announce=note
    )
    contract = with_flops(teacher)
    for line in contract.lines():
        note(line)
    doubt = contract.probe.doubt(contract.kind) if contract.probe is not None else None
    if doubt is not None:  # metres that are far off
        for observer in observers:
            observer.on_warning(f"{contract.id}: {doubt}")
    warn_of_licence(contract.id, contract.licence, observers)
    return teacher


def warn_of_licence(teacher: str, licence: str | None, observers: Sequence[Observer]) -> None:
    """Warn where a teacher may not be used commercially: its student may not either."""
    if classify_licence(licence) == "non-commercial":
        for observer in observers:
            observer.on_warning(f"{teacher}: its licence is {licence}, {licence_note(licence)}")


def supervised_data(
    data: TrainingData, config: AcclimateConfig, teacher: DepthTeacher, observers: Sequence[Observer]
) -> TrainingData:
    """The data with the range and kind that ground truth, or without any the teacher, gives a student's output.

    Raises:
        DataError: nothing says what depth is: no ground truth, and an encoder for a teacher.
        ConfigError: options that mean metres for a student that has none.
    """
    contract = teacher.contract
    if config.train_teacher != "frozen":
        require_labels(data, "--train-teacher learns from ground truth; give labelled images, or keep it frozen")
    if contract.kind == "metric_depth":
        without_range = not data.source.labelled("train") and config.max_depth is None
        return data.in_range(data.min_depth, contract.max_depth) if without_range and contract.max_depth else data
    if contract.kind == "disparity" and not data.source.labelled("train"):
        if config.max_depth is not None or config.min_depth is not None:
            raise ConfigError(
                f"--min-depth, --max-depth: {contract.id} gives relative disparity and no image has ground truth, so "
                "the student's output has no metres; leave them out"
            )
        for observer in observers:
            observer.on_note(
                "no ground truth and a relative teacher: the student will give relative disparity, no metres"
            )
        return data.as_disparity()
    require_labels(data, f"the teacher gives {contract.kind}, not metres; give labelled images")
    return data
