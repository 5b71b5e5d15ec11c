"""A teacher and the data before an acclimation: what is told before time is spent, and what is refused."""

from __future__ import annotations

from disdepth_cli.config import AcclimateConfig
from disdepth_cli.config.training import AcclimatedTeacherOptions
from disdepth_cli.errors import ConfigError
from disdepth_cli.hub.licences import classify_licence, licence_note
from disdepth_cli.observer import Observer
from disdepth_cli.teachers import DepthTeacher, load_teacher
from disdepth_cli.teachers.describe import with_flops
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.open_teacher_cache import refuse_trained
from disdepth_cli.training.prepare import prepare_data, supervised_data


def teacher_and_data(config: AcclimateConfig, observer: Observer) -> tuple[DepthTeacher, TrainingData]:
    """The teacher of a configuration, on the CPU, and the data in the range and kind that it can teach.

    Raises:
        TeacherError: the teacher cannot be had or used.
        DataError: nothing to train on, or data without what the teacher needs.
        ConfigError: options that do not fit the teacher.
    """
    refuse_trained(config.teacher)
    teacher = open_teacher(config.teacher, observer, config.machine.offline, config.run.verbose)
    if teacher.contract.depth_alone and config.teacher.train != "frozen":
        raise ConfigError(
            f"--train-teacher {config.teacher.train}: {teacher.contract.id} gives depth and no features; give it "
            "taps, or leave it frozen"
        )
    data = supervised_data(prepare_data(config, observer), config, teacher, observer)
    return teacher, data.shown_to([teacher])


def open_teacher(
    options: AcclimatedTeacherOptions, observer: Observer, offline: bool = False, verbose: bool = False
) -> DepthTeacher:
    """The teacher of the options, fetched where it must be; the observer is told what it is.

    verbose: in all lines of its contract, in place of two.

    Raises:
        TeacherError: it cannot be found, fetched, loaded or used.
    """

    def note(line: str) -> None:
        observer.on_note(line)

    teacher = load_teacher(
        options.name, revision=options.revision, weights=options.weights, offline=offline, announce=note
    )
    contract = with_flops(teacher)
    for line in contract.lines() if verbose else contract.summary():
        note(line)
    doubt = contract.probe.doubt(contract.kind) if contract.probe is not None else None
    if doubt is not None:  # metres that are far off
        observer.on_warning(f"{contract.id}: {doubt}")
    warn_of_licence(contract.id, contract.licence, observer)
    return teacher


def warn_of_licence(teacher: str, licence: str | None, observer: Observer) -> None:
    """Warn where a teacher may not be used commercially: its student may not either."""
    if classify_licence(licence) == "non-commercial":
        observer.on_warning(f"{teacher}: its licence is {licence}, {licence_note(licence)}")
