"""Which student a run with a control keeps: the distilled one, or the control where distillation has not paid."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Literal

from disdepth_cli.checkpoint.locate import DISTILLED, STUDENT
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.config.types import Keep
from disdepth_cli.errors import CheckpointError
from disdepth_cli.files import disk_errors, write_atomic
from disdepth_cli.results.training import DistillReport
from disdepth_cli.runs.contents import RunContents

Kept = Literal["distilled", "control"]


def distilled_file(run: Path) -> Path:
    """The distilled student's file of a finished run, whichever of the two it keeps.

    Raises:
        CheckpointError: the control is kept, and the distilled student is gone.
    """
    if RunContents(run).keeps_control:
        return run / DISTILLED
    if read_metadata(run / STUDENT).teacher is None:
        raise CheckpointError(
            f"{run}: its {STUDENT} is the control's, and its {DISTILLED} is gone; put it back, or train again into "
            "another -o"
        )
    return run / STUDENT


def choose(rule: Keep, gain: dict[str, dict[str, Any]]) -> Kept:
    """Which of the two has earned its place, by the val RMSE of both: the metric that chooses a run's best step too.

    rule: `auto` lets the control have it only where the distilled student is worse beyond chance; `better` whenever
    its RMSE is lower; `distilled` never. gain: see `gain.Gain.as_dict`.
    """
    rmse = gain["rmse"]
    loses = {"auto": rmse["verdict"] == "worse", "better": rmse["difference"] > 0, "distilled": False}
    return "control" if loses[rule] else "distilled"


def keep_student(kept: Kept, run: Path, control: Path | None = None) -> None:
    """Make the chosen student the run's `student.safetensors`; the distilled one is never lost.

    A kill at any moment leaves a whole student there, and the same call again sets right what it left. control: the
    control's run, which is only read.

    Raises:
        DisdepthError: the disk is full, or the file cannot be written.
    """
    aside, path = run / DISTILLED, run / STUDENT
    if kept == "control":
        assert control is not None
        if not RunContents(run).keeps_control:
            write_atomic(aside, lambda temporary: shutil.copyfile(path, temporary))
        write_atomic(path, lambda temporary: shutil.copyfile(control / STUDENT, temporary))
    elif RunContents(run).keeps_control:
        with disk_errors(path):
            os.replace(aside, path)


def take_back(run: Path) -> None:
    """Hand out the distilled student of a run that is compared with nothing any more.

    Raises:
        DisdepthError: it is gone, or the file cannot be written.
    """
    keep_student("distilled", run)
    distilled_file(run)


def is_settled(run: Path, report: DistillReport, compared: bool, rule: Keep) -> bool:
    """Whether a finished run has what its options ask for: with a control, its figures and the student that `rule`
    chose by them; else its own student. A report of before there were rules has the distilled one, and may keep it."""
    if not compared:
        return not RunContents(run).keeps_control
    if report.gain is None:
        return False
    kept = report.kept or {"student": "distilled", "rule": "distilled" if rule == "better" else rule}
    return bool(kept["rule"] == rule) and (kept["student"] == "control") == RunContents(run).keeps_control
