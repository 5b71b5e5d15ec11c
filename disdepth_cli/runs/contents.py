"""What a run folder holds, and whether the run has come to its end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disdepth_cli.checkpoint.locate import ACCLIMATED, DISTILLED, STUDENT
from disdepth_cli.config import STUDENTS
from disdepth_cli.errors import CheckpointError, ConfigError
from disdepth_cli.reading import read_bytes, read_yaml, reading

CONFIG, REPORT = "config.yaml", "report.json"


@dataclass(frozen=True)
class RunContents:
    """The files of a run folder, which may be none."""

    path: Path

    @property
    def is_begun(self) -> bool:
        """Whether a run was started here."""
        return (self.path / CONFIG).is_file()

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end: it has weights, and the report, which is written last."""
        return (self.has_student or self.has_acclimation) and (self.path / REPORT).is_file()

    @property
    def has_student(self) -> bool:
        """Whether there is a student, finished or the best so far."""
        return (self.path / STUDENT).is_file()

    @property
    def has_acclimation(self) -> bool:
        """Whether there is an acclimation, finished or the best so far."""
        return (self.path / ACCLIMATED).is_file()

    @property
    def keeps_control(self) -> bool:
        """Whether the run's student is its control's. The files say it; a report may be older than they."""
        return (self.path / DISTILLED).is_file()

    def config(self) -> dict[str, Any]:
        """The resolved options the run was started with.

        Raises:
            ConfigError: there is no run in the folder.
        """
        file = self.path / CONFIG
        if not file.exists():
            raise ConfigError(f"{self.path}: holds no run (no {CONFIG}); start one without --resume")
        values = read_yaml(file, ConfigError)
        if not isinstance(values, dict):
            raise ConfigError(f"{file}: must be a mapping of options")
        return values

    def report(self) -> dict[str, Any]:
        """The report of the run; empty where there is none yet.

        Raises:
            CheckpointError: it cannot be read.
        """
        file = self.path / REPORT
        if not file.exists():
            return {}
        with reading(file, "is damaged", CheckpointError, "make it again with --resume"):
            return dict(json.loads(read_bytes(file, CheckpointError)))


def latest_acclimation(root: Path, student: str) -> Path | None:
    """The newest finished acclimation under `root` that was made for the same student."""
    found = sorted(root.glob(f"*/{ACCLIMATED}"), key=lambda file: file.stat().st_mtime)
    for file in reversed(found):
        run = RunContents(file.parent)
        try:
            named = str(run.config().get("student"))
        except ConfigError:
            continue
        if run.is_finished and STUDENTS.get(named, named) == STUDENTS.get(student, student):
            return run.path
    return None


def beside(run: Path, ending: str) -> Path:
    """The folder beside a run's that has its name and the ending."""
    run = run if run.name not in ("", "..") else run.resolve()
    return run.with_name(run.name + ending)
