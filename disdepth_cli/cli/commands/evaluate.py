"""disdepth evaluate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import protocol_line, stdout
from disdepth_cli.cli.score_tables import ranges_table, remarks, scores_table
from disdepth_cli.config import EvaluateConfig


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.evaluate import evaluate

    return evaluate


def _show(result: dict[str, Any]) -> None:
    title = f"{protocol_line(result['protocol'])}; {result['images']} images"
    stdout.print(title, soft_wrap=True)
    stdout.print(f"model {result['model']}", soft_wrap=True, markup=False)
    for table in (scores_table(result), ranges_table(result)):
        stdout.print()
        stdout.print(table)
    stdout.print()
    for line in remarks(result):
        stdout.print(line, soft_wrap=True, markup=False)
    if "report" in result:
        stdout.print(f"report: {result['report']}", soft_wrap=True, markup=False)


evaluate = command(
    EvaluateConfig,
    _engine,
    _show,
    arguments=("model",),
    doc="Score a student, an acclimated run or a teacher under a named protocol, beside baselines.",
)
