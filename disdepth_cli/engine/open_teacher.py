"""A teacher before its run: what it is, told before any time is spent, what to beware of, what data become."""

from __future__ import annotations

from collections.abc import Sequence

from disdepth_cli.config.training import AcclimatedTeacherOptions
from disdepth_cli.hub.licences import classify_licence, licence_note
from disdepth_cli.observer import Observer
from disdepth_cli.teachers import DepthTeacher, load_teacher
from disdepth_cli.teachers.describe import describe_teacher, with_flops


def described(options: AcclimatedTeacherOptions, offline: bool = False) -> dict[str, str]:
    """The contract of the options's teacher, key by key, without fetching its weights.

    Raises:
        TeacherError: it cannot be found or used.
    """
    contract = describe_teacher(options.name, revision=options.revision, weights=options.weights, offline=offline)
    return dict(line.split(": ", 1) for line in contract.lines())


def open_teacher(
    options: AcclimatedTeacherOptions, observers: Sequence[Observer], offline: bool = False
) -> DepthTeacher:
    """The teacher of the options, fetched where it must be, its contract told to the observers.

    Raises:
        TeacherError: it cannot be found, fetched, loaded or used.
    """

    def note(line: str) -> None:
        for observer in observers:
            observer.on_note(line)

    teacher = load_teacher(
        options.name, revision=options.revision, weights=options.weights, offline=offline, announce=note
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
