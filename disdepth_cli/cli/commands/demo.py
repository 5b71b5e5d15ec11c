"""disdepth demo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.table import Table

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import stdout
from disdepth_cli.config import DemoConfig

SHOWN = {"abs_rel": "abs_rel", "rmse": "rmse [m]", "delta1": "delta1"}


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.demo import demo

    return demo


def _show(result: dict[str, Any]) -> None:
    table = Table("model", title="40 rooms that no model was trained on")
    for label in (*SHOWN.values(), "parameters"):
        table.add_column(label, justify="right")
    for name, scores in result["scores"].items():
        figures = [f"{scores[metric]:.4f}" for metric in SHOWN]
        table.add_row(name, *figures, f"{scores['parameters'] / 1e6:.1f} M")
    stdout.print(table)
    for line in (
        f"picture: {result['panel']}",
        f"student: {result['folder']}/student/student.safetensors",
        f"{result['seconds']:.0f} seconds; next: disdepth predict IMAGE --model {result['folder']}/student",
    ):
        stdout.print(line, soft_wrap=True, markup=False)


demo = command(
    DemoConfig,
    _engine,
    _show,
    arguments=("folder",),
    doc="Run the whole path on rendered rooms and a tiny teacher, offline, in a few minutes.",
)
