"""One option in one place: default, help, level, concern and flag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field
from pydantic.fields import FieldInfo

Level = Literal["basic", "advanced", "recipe"]
"""basic: `--help` shows the option. advanced: `--help-all` shows it. recipe: the option is one of the method."""

Concern = Literal["student", "teacher", "comparison", "hub", "machine"]
"""What an option changes: the student; what the teacher adds; what a run is compared with; the page on the Hub; or only
how and where the work is done."""

DATA, STUDENT, TEACHER, METHOD = "Data and results", "Student", "Teacher", "Distillation"
COMPARISON, UNLABELLED, TRAINING = "Does it help?", "Images without ground truth", "Training"
MACHINE, HUB, GENERAL = "Machine", "Hugging Face Hub", "General"
"""The panels of the help."""

FREE = frozenset({"hub", "machine"})
"""Concerns whose options may differ when a run is resumed."""


@dataclass(frozen=True)
class Option:
    """An option, besides its type, default and help.

    called: the option's name in files, in Python and on the command line, where its field has another name.
    flags: further flags, such as `-o`. off: the flag that turns a switch off. flag: False for an option that only files
    and `--set` set. renamed: flags of former versions; they work, and a note names the new flag.
    local: the option names a file or folder of this machine; a published recipe leaves it out.
    free: the option may differ when a run is resumed. inherited: an acclimation that distill starts takes the value.
    """

    level: Level = "advanced"
    concerns: Concern = "student"
    group: str = TRAINING
    called: str | None = None
    flags: tuple[str, ...] = ()
    off: str | None = None
    flag: bool = True
    renamed: tuple[str, ...] = ()
    local: bool = False
    free: bool = False
    inherited: bool = True


def option(
    default: Any = ...,
    description: str = "",
    *,
    level: Level = "advanced",
    concerns: Concern = "student",
    group: str = TRAINING,
    called: str | None = None,
    flags: tuple[str, ...] = (),
    off: str | None = None,
    flag: bool = True,
    renamed: tuple[str, ...] = (),
    local: bool = False,
    free: bool | None = None,
    inherited: bool = True,
    **limits: Any,
) -> Any:
    """A pydantic field with its `Option`. limits: keywords of `pydantic.Field`, such as `ge=0`."""
    free = concerns in FREE if free is None else free
    about = Option(level, concerns, group, called, flags, off, flag, renamed, local, free, inherited)
    return Field(default, description=description, json_schema_extra={"option": about}, **limits)  # type: ignore[dict-item]


def about(field: FieldInfo) -> Option:
    """The `Option` of a field; the defaults where the field states none."""
    extra = field.json_schema_extra
    found = extra.get("option") if isinstance(extra, dict) else None
    return found if isinstance(found, Option) else Option()
