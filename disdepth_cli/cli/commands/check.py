"""disdepth check."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from rich.bar import Bar
from rich.markup import escape
from rich.table import Table

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import stdout
from disdepth_cli.config import CheckConfig

SHOWN = 20  # offending files in the terminal; --json has all
ROWS_A_DECADE = 10
BAR = 40  # characters
SMALLEST = 0.0005  # share of the depth that a row at the histogram's end must hold


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.check import check

    return check


def _show(result: dict[str, Any]) -> None:
    if result["format"]:
        stdout.print(f"{result['name']}: read as {result['format']}", markup=False)
    stdout.print(_splits_table(result["splits"]))
    if result["depth"]:
        depth, scale = result["depth"], result["scale"]
        stdout.print(
            f"depth in metres = {scale['meaning']}: median {depth['median']:.3g}, 1 % to 99 % "
            f"{depth['p01']:.3g} to {depth['p99']:.3g}, smallest {depth['min']:.3g}, largest {depth['max']:.3g}; "
            f"counts between {scale['min_depth']:g} and {scale['max_depth']:g}",
            soft_wrap=True,
        )
        stdout.print(_histogram(depth["histogram"]))
    for problem in result["problems"][:SHOWN]:
        line = f"{problem['split']}: {problem['file']}: {problem['problem']}"
        stdout.print(f"[red]problem:[/red] {escape(line)}", soft_wrap=True)
    if len(result["problems"]) > SHOWN:
        stdout.print(f"... and {len(result['problems']) - SHOWN} more; --json names every one")
    for error in result["errors"]:
        stdout.print(f"[red]error:[/red] {escape(error)}", soft_wrap=True)
    if result["picture"]:
        stdout.print(f"histogram: {result['picture']}", soft_wrap=True, markup=False)
    counts = {"error": len(result["errors"]), "warning": len(result["warnings"])}
    verdict = ", ".join(f"{count or 'no'} {what}{'' if count == 1 else 's'}" for what, count in counts.items())
    stdout.print(f"{result['name']}: {verdict}; {result['seconds']:.1f} s", markup=False)


def _splits_table(splits: dict[str, dict[str, Any]]) -> Table:
    table = Table("")
    for split in splits:
        table.add_column(split, justify="right")
    for name in ("listed", "pairs", "unlabelled", "missing", "skipped", "unreadable", "without_valid_depth"):
        table.add_row(name.replace("_", " "), *(str(found[name]) for found in splits.values()))
    for name in ("valid_share", "in_range_share"):
        shares = ("" if found[name] is None else f"{found[name]:.1%}" for found in splits.values())
        table.add_row(name.replace("_", " "), *shares)
    for name in ("image_sizes", "image_kinds", "depth_sizes", "depth_kinds"):
        table.add_row(name.replace("_", " "), *(_most(found[name]) for found in splits.values()))
    return table


def _most(counted: dict[str, int]) -> str:
    """The most frequent three, a line each."""
    lines = [f"{kind} ({count})" for kind, count in list(counted.items())[:3]]
    more = len(counted) - 3
    return "\n".join(escape(line) for line in lines) + (f"\nand {more} more" if more > 0 else "")


def _histogram(histogram: dict[str, list[float]]) -> Table:
    """Bars over logarithmic depth, ten a decade."""
    table = Table.grid(padding=(0, 1))
    rows = list(_rows(histogram))
    total, most = sum(count for *_, count in rows), max(count for *_, count in rows)
    while len(rows) > 1 and rows[0][2] < SMALLEST * total:
        rows.pop(0)
    while len(rows) > 1 and rows[-1][2] < SMALLEST * total:
        rows.pop()
    for low, high, count in rows:
        plain = "#" * round(BAR * count / most)  # where there are no blocks to draw with
        bar = plain if stdout.options.ascii_only else Bar(most, 0, count, width=BAR)
        table.add_row(f"{low:.3g} to {high:.3g} m", bar, f"{count / total:.1%}")
    return table


def _rows(histogram: dict[str, list[float]]) -> Iterator[tuple[float, float, float]]:
    """(low, high, count) of groups of bins."""
    edges, counts = histogram["edges"], histogram["counts"]
    bins_a_decade = round(1 / math.log10(edges[1] / edges[0]))
    merged = max(bins_a_decade // ROWS_A_DECADE, 1)
    for first in range(0, len(counts), merged):
        last = min(first + merged, len(counts))
        yield edges[first], edges[last], sum(counts[first:last])


check = command(
    CheckConfig,
    _engine,
    _show,
    arguments=("data",),
    failed=lambda result: not result["ok"],
    doc="Look at every image and depth map of a data set; exits 1 when there are errors.",
)
