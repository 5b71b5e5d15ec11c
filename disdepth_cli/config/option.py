"""One option, said once: its default, its help, who is shown it, what it concerns, its flag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field
from pydantic.fields import FieldInfo

Level = Literal["basic", "advanced", "recipe"]
"""basic: `--help` shows it. advanced: `--help-all` does. recipe: a switch of the method; `--set` and `--recipe` too."""

Concern = Literal["student", "teacher", "comparison", "hub", "machine"]
"""What an option shapes: the student, whatever trains it; the teacher's part in that; what a run is compared with; the
page on the Hub; or only how and where the work is done."""

DATA, STUDENT, TEACHER, METHOD = "Data and results", "Student", "Teacher", "Distillation"
COMPARISON, UNLABELLED, TRAINING = "Does it help?", "Images without ground truth", "Training"
MACHINE, HUB, GENERAL = "Machine", "Hugging Face Hub", "General"
"""The panels of the help."""

FREE = frozenset({"hub", "machine"})
"""Concerns whose options may differ when a run is resumed."""


@dataclass(frozen=True)
class Option:
    """What is known of an option besides its type, default and help.

    called: its name in files, in Python and on the command line, where the field of its part is called otherwise.
    flags: further flags, such as `-o`. off: the flag that turns a switch off. flag: False: no flag of its own, only
    `--set` and files. renamed: flags of former versions; they work, and say the new one.
    local: it names a file or folder of this machine, so that it is not a part of a published recipe.
    free: it may differ when a run is resumed. inherited: an acclimation made on the way to a distillation has the same.
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
    """A pydantic field with its `Option`. limits: what `pydantic.Field` takes, as `ge=0`."""
    free = concerns in FREE if free is None else free
    about = Option(level, concerns, group, called, flags, off, flag, renamed, local, free, inherited)
    return Field(default, description=description, json_schema_extra={"option": about}, **limits)  # type: ignore[dict-item]


def about(field: FieldInfo) -> Option:
    """The `Option` of a field; a plain one where the field states none."""
    extra = field.json_schema_extra
    found = extra.get("option") if isinstance(extra, dict) else None
    return found if isinstance(found, Option) else Option()
