"""disdepth convert-teacher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import stdout
from disdepth_cli.config import ConvertTeacherConfig


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.convert_teacher import convert_teacher

    return convert_teacher


def _show(result: dict[str, Any]) -> None:
    for original, names in result["grouped"].items():
        stdout.print(f"{original} -> {names}", soft_wrap=True, markup=False)
    for name in ("kind", "output", "probe", "parameters", "licence"):
        stdout.print(f"{name}: {result['contract'][name]}", soft_wrap=True, markup=False)
    stdout.print(f"teacher: {result['teacher']}", soft_wrap=True, markup=False)


convert_teacher = command(
    ConvertTeacherConfig,
    _engine,
    _show,
    arguments=("file",),
    doc="Turn a checkpoint of a network's original repository into a teacher that transformers loads.",
)
