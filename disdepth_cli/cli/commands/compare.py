"""disdepth compare."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from typing import Any

from rich import box
from rich.measure import Measurement
from rich.table import Table

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import cost_words, stdout
from disdepth_cli.config import CompareConfig

TEXTS = ("run", "student", "teacher")
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
    if result["format"] == "markdown":
        heads = [name.replace("_", " ") for name in columns]
        rules = [":--" if name in TEXTS else "--:" for name in columns]
        for cells in (heads, rules, *([row[name] for name in columns] for row in rows)):
            stdout.print(f"| {' | '.join(cells)} |", soft_wrap=True, markup=False)
        return
    shown = _table(columns, rows)
    wide = Measurement.get(stdout, stdout.options.update(max_width=10_000), shown).maximum > stdout.width
    stdout.print(_turned(columns, rows) if wide else shown)


def _table(columns: list[str], rows: list[dict[str, str]]) -> Table:
    """A row a run."""
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in columns:
        shown.add_column(name.replace("_", " "), justify="left" if name in TEXTS else "right")
    for row in rows:
        shown.add_row(*(row[name] for name in columns))
    return shown


def _turned(columns: list[str], rows: list[dict[str, str]]) -> Table:
    """A column a run, for a terminal that is narrower than the table."""
    first, *others = columns
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    shown.add_column(first)
    for row in rows:
        shown.add_column(row[first], justify="right", overflow="fold")
    for name in others:
        shown.add_row(name.replace("_", " "), *(row[name] for row in rows))
    return shown


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
    if name in ("parameters", "flops"):
        return cost_words(name, value)
    return f"{value:.{DIGITS[name]}f}" if name in DIGITS else str(value)


compare = command(
    CompareConfig,
    _engine,
    _show,
    arguments=("runs",),
    doc="Print one table of runs: scores, gain over the control with its interval, cost.",
)
