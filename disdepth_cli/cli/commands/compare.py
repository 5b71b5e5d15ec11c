"""disdepth compare."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from typing import Any

from rich import box
from rich.table import Table

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import stdout
from disdepth_cli.config import CompareConfig

DIGITS = {"rmse": 4, "abs_rel": 4, "delta1": 4, "silog": 2, "disparity_error": 4, "control_rmse": 4, "seconds": 0}


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.compare import compare

    return compare


def _show(result: dict[str, Any]) -> None:
    """The columns that any run has a value for."""
    rows = [_words(row) for row in result["runs"]]
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    if result["format"] == "csv":
        text = io.StringIO()
        table = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        sys.stdout.write(text.getvalue())
        return
    style = box.MARKDOWN if result["format"] == "markdown" else box.SIMPLE_HEAD
    shown = Table(box=style, show_edge=result["format"] == "markdown", pad_edge=result["format"] == "markdown")
    for name in columns:
        shown.add_column(name.replace("_", " "), justify="left" if name in ("run", "student", "teacher") else "right")
    for row in rows:
        shown.add_row(*(row[name] for name in columns))
    stdout.print(shown, soft_wrap=result["format"] == "markdown")


def _words(row: dict[str, Any]) -> dict[str, str]:
    """A run's values as text; gain and its interval as one."""
    words = {name: _text(name, value) for name, value in row.items() if not name.startswith("gain")}
    if row["gain_percent"] is not None:
        low, high = row["gain_interval"]
        words["rmse vs control"] = f"{row['gain_percent']:+.1f} % [{low:+.1f}, {high:+.1f}]"
    else:
        words["rmse vs control"] = ""
    return words


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "parameters":
        return f"{value / 1e6:.2f} M"
    if name == "flops":
        return f"{value / 1e9:.2f} G"
    return f"{value:.{DIGITS[name]}f}" if name in DIGITS else str(value)


compare = command(
    CompareConfig,
    _engine,
    _show,
    arguments=("runs",),
    doc="Print one table of runs: scores, gain over the control with its interval, cost.",
)
