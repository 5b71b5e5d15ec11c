"""disdepth acclimate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import metrics_table, protocol_line, stdout
from disdepth_cli.config import AcclimateConfig

# The ghost needs the student's shape, not its weights; the flags are taken so that both verbs accept the same set.


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.acclimate import acclimate

    return acclimate


def _show(report: dict[str, Any]) -> None:
    if "run" not in report:  # a dry run
        for name, value in report["teacher"].items():
            stdout.print(f"{name}: {value}", soft_wrap=True, markup=False)
        return
    rows = {
        "teacher itself": report["teacher_metrics"],
        "after training it": report["teacher_metrics_after"],
        "through the ghost": report["ghost_metrics"],
        "constant depth": report["constant_metrics"],
    }
    rows = {name: metrics for name, metrics in rows.items() if metrics}
    stdout.print(f"{protocol_line(report['protocol'])}; scored against {report['scored_against']}", soft_wrap=True)
    if report["teacher_metrics"] and report["teacher_protocol"] != report["protocol"]:
        stdout.print(f"teacher itself: {protocol_line(report['teacher_protocol'])}", soft_wrap=True)
    stdout.print(metrics_table(rows))
    if report["rmse_ratio_ghost_to_teacher"]:
        stdout.print(f"RMSE through the ghost / the teacher's own: {report['rmse_ratio_ghost_to_teacher']:.3f}")
    stdout.print(f"acclimated teacher: {report['run']}", soft_wrap=True, markup=False)


acclimate = command(
    AcclimateConfig,
    _engine,
    _show,
    doc="Acclimate a teacher: train a ghost decoder on its features (writes an acclimated run).",
)
