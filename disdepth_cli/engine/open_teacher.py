"""A teacher before its run: what it is, told before any time is spent, what to beware of, what data become."""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.config import AcclimateConfig
from disdepth_cli.config.training import AcclimatedTeacherOptions
from disdepth_cli.engine.acclimation_scores import AcclimationScores
from disdepth_cli.hub.licences import classify_licence, licence_note
from disdepth_cli.machine.devices import channels_last, pick_device
from disdepth_cli.observer import Observer
from disdepth_cli.teachers import DepthTeacher, load_teacher
from disdepth_cli.teachers.describe import describe_teacher, with_flops
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.prepare import prepare_data, supervised_data
from disdepth_cli.training.teacher_checks import TeacherChecks, check_teacher


def described(config: AcclimateConfig, observer: Observer) -> dict[str, str]:
    """The contract of a configuration's teacher, key by key, without fetching its weights; with data that are named,
    and weights that are here, also what it says of them.

    Raises:
        TeacherError: it cannot be found or used.
        DataError: the data cannot.
    """
    own, offline = config.teacher, config.machine.offline
    contract = describe_teacher(own.name, revision=own.revision, weights=own.weights, offline=offline)
    lines = dict(line.split(": ", 1) for line in contract.lines())
    if not _names_data(config):
        return lines | {"view_check": "not done: give --data", "word_check": "not done: give --data"}
    if contract.weights == "missing":
        return lines | {"view_check": "not done: its weights are not here", "word_check": "not done"}
    teacher = load_teacher(own.name, revision=own.revision, weights=own.weights, offline=offline)
    device = pick_device(config.machine.device)
    data = supervised_data(prepare_data(config, observer), config, teacher, observer).shown_to([teacher])
    teacher = channels_last(teacher.to(device))
    scores = AcclimationScores(config, data, teacher, device)
    metrics = scores.of_teacher() if contract.kind == "metric_depth" else None
    found = check_teacher(teacher, scores.whole_images(), data, metrics["abs_rel"] if metrics else None)
    tell_checks(found, teacher, data, observer)
    return lines | found.lines()


def _names_data(config: AcclimateConfig) -> bool:
    """Whether data were named for a dry run, which needs none: its default is the current folder."""
    here = Path.cwd()
    return config.data.location != str(here) or (here / "data.yaml").is_file()


def tell_checks(found: TeacherChecks, teacher: DepthTeacher, data: TrainingData, observer: Observer) -> None:
    """Tell what was found of a teacher's word, and warn where it cannot help."""
    name, without = teacher.contract.id, data.source.counts()[1]
    if found.images:
        for line in found.lines().values():
            observer.on_note(f"teacher: {line}")
    for warning in found.warnings(name, unlabelled=without > 0):
        observer.on_warning(warning)


def open_teacher(options: AcclimatedTeacherOptions, observer: Observer, offline: bool = False) -> DepthTeacher:
    """The teacher of the options, fetched where it must be, its contract told to the observer.

    Raises:
        TeacherError: it cannot be found, fetched, loaded or used.
    """

    def note(line: str) -> None:
        observer.on_note(line)

    teacher = load_teacher(
        options.name, revision=options.revision, weights=options.weights, offline=offline, announce=note
    )
    contract = with_flops(teacher)
    for line in contract.lines():
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
