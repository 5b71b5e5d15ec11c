"""disdepth list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from rich import box
from rich.table import Table

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import cost_words, stdout
from disdepth_cli.config import ListConfig

COLUMNS = {
    "students": ("student", "backbone", "parameters", "flops", "cpu_ms", "wall_ms", "threads"),
    "protocols": ("protocol", "range", "crop", "align", "images"),
    "formats": ("format", "for", "suffix", "precisions", "missing", "layout"),
}
KINDS = {"metric_depth": "metres", "disparity": "disparity", "none": "features alone"}
NUMBERS = ("parameters", "flops", "cpu_ms", "wall_ms", "threads", "images")


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.list import list_names

    return list_names


def _show(result: dict[str, Any]) -> None:
    """The columns that any row has a value for; data formats stand under those of export."""
    what = result["what"]
    if what == "teachers":
        _show_teachers(result["rows"])
        return
    if what == "students":
        timed = "" if "cpu_ms" in result["rows"][0] else "; --latency times them here"
        stdout.print(f"working size {result['input_size']}; any CNN of timm is a student too{timed}", soft_wrap=True)
    for rows in _groups(what, result["rows"]):
        columns = [name for name in COLUMNS[what] if any(_text(name, row) for row in rows)]
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
        for name in columns:
            justify: Literal["left", "right"] = "right" if name in NUMBERS else "left"
            whole = name == columns[0]  # a name that is broken in two cannot be copied
            table.add_column(name.replace("_", " "), justify=justify, overflow="fold", no_wrap=whole)
        for row in rows:
            table.add_row(*(_text(name, row) for name in columns))
        stdout.print(table)


def _show_teachers(rows: list[dict[str, Any]]) -> None:
    """Each type with its teachers, one a line: an id that is broken in two cannot be copied."""
    for model_type in dict.fromkeys(row["model_type"] for row in rows):
        stdout.print(model_type, markup=False)
        for row in (row for row in rows if row["model_type"] == model_type):
            kind = KINDS.get(row["kind"], "")
            stdout.print(f"  {row['teacher']:<58}{kind}".rstrip(), soft_wrap=True, markup=False)


def _groups(what: str, rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    if what != "formats":
        return [rows]
    return [[row for row in rows if row["for"] == use] for use in ("export", "data")]


def _text(name: str, row: dict[str, Any]) -> str:
    """A value for people; nothing where a row has none."""
    if name == "range" and "min_depth" in row:
        return "the data's" if row["max_depth"] is None else f"{row['min_depth']:g} to {row['max_depth']:g} m"
    if name == "missing" and row.get("missing") == []:
        return "nothing"
    value = row.get(name)
    if value is None:
        return ""
    if name in ("parameters", "flops"):
        return cost_words(name, value)
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


list_names = command(
    ListConfig,
    _engine,
    _show,
    arguments=("what",),
    doc="List the students, teachers, protocols or formats that other commands take, with what each one costs or is.",
)
