"""Where a student's file lies: a path, a run folder, the package itself, or a repository on the Hub."""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.errors import CheckpointError
from disdepth_cli.hub.fetch import fetch_snapshot, is_hub_id

ACCLIMATED = "acclimated.safetensors"
"""The acclimation of a teacher, in its run folder."""

DISTILLED = "distilled.safetensors"
"""The distilled student of a run that keeps its control as the student."""

STUDENT, CONFIG, CARD = "student.safetensors", "config.json", "README.md"
"""The files of a student's repository on the Hub; beside them there may be a picture."""

ASSETS = Path(__file__).parents[1] / "assets"
BUNDLED = ASSETS / STUDENT
"""The student that ships with the package."""

TINY_TEACHER = ASSETS / "tiny_teacher"
"""A tiny metric teacher for rendered rooms, which ships with the package for the demo."""


def student_file(path: Path | str, revision: str | None = None, offline: bool = False) -> Path:
    """The file meant by a checkpoint path, a run folder, `bundled` or OWNER/NAME; the last is fetched from the Hub.

    What exists here wins over a repository of that name. Nothing but safetensors is ever fetched or read.

    Raises:
        CheckpointError: the repository cannot be had or holds no student; or a revision of what is not on the Hub.
    """
    if may_be_on_hub(path):
        file = hub_student(path, revision, offline)
        if file is None:
            raise CheckpointError(
                f"{path}: this repository on the Hub holds no {STUDENT}; give one that `disdepth push` made"
            )
        return file
    if revision is not None:
        raise CheckpointError(f"{path}: is not on the Hub, so it has no revisions; leave out --revision")
    if str(path) == "bundled":
        return BUNDLED
    path = Path(path)
    return path / STUDENT if path.is_dir() else path


def may_be_on_hub(path: Path | str) -> bool:
    """Whether `path` can only be OWNER/NAME on the Hub: nothing of that name is here, and it names no weights file."""
    path = Path(path)
    return is_hub_id(path.as_posix()) and path.suffix != ".safetensors" and not path.exists()


def hub_student(name: Path | str, revision: str | None = None, offline: bool = False) -> Path | None:
    """The student's file of a repository, in the Hub's cache; None where the repository holds no student.

    Raises:
        CheckpointError: the repository cannot be had.
    """
    try:
        folder = fetch_snapshot(Path(name).as_posix(), [STUDENT, CONFIG, CARD], revision, offline, CheckpointError)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; there is no such file or folder here either") from error
    return folder / STUDENT if (folder / STUDENT).is_file() else None
