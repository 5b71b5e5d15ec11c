"""disdepth convert-teacher."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from disdepth_cli.cli import options as o
from disdepth_cli.cli.console import run_verb, stdout
from disdepth_cli.config import ConvertTeacherConfig
from disdepth_cli.config.build import option_help

File = Annotated[Path, typer.Argument(help=option_help(ConvertTeacherConfig, "file"))]
Like = Annotated[str | None, o.option("--like", of=ConvertTeacherConfig)]
MaxDepth = Annotated[int | None, o.option("--max-depth", of=ConvertTeacherConfig)]
Output = Annotated[Path | None, o.option("--output", "-o", of=ConvertTeacherConfig)]
Revision = Annotated[str | None, o.option("--revision", of=ConvertTeacherConfig)]
Offline = Annotated[bool | None, o.option("--offline", of=ConvertTeacherConfig)]


def convert_teacher(
    file: File,
    like: Like = None,
    max_depth: MaxDepth = None,
    output: Output = None,
    revision: Revision = None,
    offline: Offline = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
) -> None:
    """Turn a checkpoint of a network's original repository into a teacher that transformers loads."""
    run_verb(_engine, ConvertTeacherConfig, dict(locals()), _show)


def _engine() -> Callable[..., dict[str, Any]]:
    from disdepth_cli.engine.convert_teacher import convert_teacher

    return convert_teacher


def _show(result: dict[str, Any]) -> None:
    for original, names in result["grouped"].items():
        stdout.print(f"{original} -> {names}", soft_wrap=True, markup=False)
    for name in ("kind", "output", "probe", "parameters", "licence"):
        stdout.print(f"{name}: {result['contract'][name]}", soft_wrap=True, markup=False)
    stdout.print(f"teacher: {result['teacher']}", soft_wrap=True, markup=False)
