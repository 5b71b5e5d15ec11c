"""Compare: finished runs side by side, from what stands in their reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disdepth_cli.config import CompareConfig
from disdepth_cli.errors import ConfigError
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.reading import reading
from disdepth_cli.results.result import Result
from disdepth_cli.runs.contents import REPORT, RunContents

METRICS = ("rmse", "abs_rel", "delta1", "silog", "disparity_error")


@dataclass(frozen=True)
class Comparison(Result):
    """Runs side by side.

    Attributes:
        runs: a row a run; None where a run has no such value. RMSE in metres, gains in per cent of the control's RMSE.
        format: how the command line prints it.
    """

    runs: list[dict[str, Any]]
    format: str = "table"


def compare(config: CompareConfig, observer: Observer = SILENT) -> Comparison:
    """One table of runs: student, teacher, steps, scores on val, gain over the control with its interval, cost.

    Raises:
        ConfigError: a folder holds no run, or one that is not finished, or a damaged report.
    """
    rows, protocols = [], set()
    for run in config.runs:
        report = _report(run)
        with reading(run / REPORT, "is damaged", ConfigError, "make it again with --resume"):
            rows.append(_row(run, report))
            protocols.add(str(report["protocol"]) + report["scored_against"])
    if len(protocols) > 1:
        observer.on_warning("the runs were scored under different protocols; their scores cannot be compared")
    return Comparison(rows, config.format)


def _report(run: Path) -> dict[str, Any]:
    RunContents(run).config()  # refuses a folder that is no run
    report = RunContents(run).report()
    if not report:
        raise ConfigError(f"{run}: is not finished; go on with --resume -o {run}")
    return report


def _row(run: Path, report: dict[str, Any]) -> dict[str, Any]:
    config = RunContents(run).config()
    student = report.get("cost", {}).get("student", {})
    gain = report.get("gain", {}).get("rmse")
    percent = None if gain is None or not gain["control"] else 100 / gain["control"]
    return {
        "run": str(run),
        "verb": config.get("verb"),
        "student": config.get("student"),
        "teacher": (report.get("teacher") or {}).get("id"),
        "seed": config.get("seed"),
        "steps": report.get("steps"),
        **{name: (report.get("best") or {}).get(name) for name in METRICS},
        "control_rmse": None if gain is None else gain["control"],
        "gain_percent": None if percent is None else gain["difference"] * percent,
        "gain_interval": None if percent is None else [end * percent for end in gain["interval"]],
        "verdict": None if gain is None else gain["verdict"],
        "parameters": student.get("parameters"),
        "flops": student.get("flops"),
        "seconds": report.get("seconds"),
    }
