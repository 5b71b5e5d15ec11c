"""What can go wrong, worded for the person at the terminal: what, where, what to do.

Every error the project raises on purpose is a `DisdepthError`; the command line prints its message as one
line and exits with `exit_code`. Anything else is a bug.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

NEAR = 0.6  # of difflib's likeness: below it a name shares letters by chance


INTERRUPTED = 130  # the exit code of a process that Ctrl-C has ended
LONGEST = 1000  # letters of a message: what it names may be a path of any length


class DisdepthError(Exception):
    """Base of all errors with one clear line for the user; the middle of a very long one is left out."""

    exit_code = 1

    def __str__(self) -> str:
        text = super().__str__()
        return text if len(text) <= LONGEST else f"{text[: LONGEST * 2 // 3]} ... {text[-LONGEST // 3 + 5 :]}"


class ConfigError(DisdepthError):
    """An option or a config file does not make sense."""

    exit_code = 2


class DataError(DisdepthError):
    """A data set, list, image or depth file cannot be used."""


class TeacherError(DisdepthError):
    """A teacher cannot be found, loaded or used."""


class StudentError(DisdepthError):
    """A student backbone or its weights cannot be found or used."""


class CheckpointError(DisdepthError):
    """A checkpoint is missing, truncated, foreign or does not fit."""


class HubError(DisdepthError):
    """The Hugging Face Hub cannot be reached, or does not take what it is sent."""


class ExportError(DisdepthError):
    """A student cannot be written for another runtime, or does not give the same depth there."""


class MissingError(DisdepthError):
    """An optional package is not installed; the message says the command that installs it."""


class TrainingError(DisdepthError):
    """Training cannot go on (non-finite losses, full disk, ...)."""


class Interrupted(DisdepthError):
    """Training was stopped from outside; its state is saved."""

    exit_code = INTERRUPTED


class ElsewhereError(DisdepthError):
    """Of several processes the main one has raised this error and tells it; this one ends without a word."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ProcessError(DisdepthError):
    """A process other than the main one was the first to fail; raised in the main one, which tells it."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def first_line(error: BaseException, most: int = 300) -> str:
    """The first line of an error's message, at most that many letters; the error's name where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()[:most]


def one_line(error: object, most: int = 200) -> str:
    """An error's whole message in one line, at most that many letters; the error's name where it has none."""
    return " ".join(str(error).split())[:most] or type(error).__name__


def near_names(name: str, choices: Iterable[str]) -> str:
    """`"; did you mean a or b?"` for the choices closest to `name`, or an empty string when none is near.

    A choice of one word is near what it is the initials of, as lr is of learning_rate.
    """
    known = list(choices)
    initials = "".join(word[0] for word in re.split(r"[^a-z0-9]+", name.lower()) if word)
    close = [choice for choice in known if len(choice) > 1 and choice == initials]
    close += [near for near in get_close_matches(name, known, n=3, cutoff=NEAR) if near not in close]
    return f"; did you mean {' or '.join(close)}?" if close else ""
