"""The training curves of a run as one picture, drawn from its metrics.csv."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from disdepth_cli.errors import DataError
from disdepth_cli.files import write_atomic
from disdepth_cli.packages import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = tuple[list[float], list[float]]
"""Steps and values, of one length."""

Curves = dict[str, dict[str, Curve]]
"""Split ("train", "val") to name to curve."""

KEYS = ("step", "epoch", "split")
NOT_LOSSES = ("lr", "_norm", "_per_second", "seconds", "memory", "_images", "_pixels")
"""Ends of the names of training values that are no loss: each gets an axis of its own."""

COLUMNS = 3


def plot_curves(metrics_csv: Path, out_png: Path) -> None:
    """Draw metrics.csv (step, epoch, split, then named values; blanks allowed) into a PNG, atomically.

    The first axes hold all parts of the training loss; every other value, of training or validation, has its own.

    Raises:
        DataError: the file cannot be read or holds nothing to draw.
        MissingError: Matplotlib is not installed.
        DisdepthError: the file cannot be written.
    """
    optional("matplotlib", out_png.name, DataError)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curves = read_curves(metrics_csv)
    losses = {name: curve for name, curve in curves["train"].items() if not name.endswith(NOT_LOSSES)}
    panels: list[tuple[str, dict[str, Curve]]] = [("training loss", losses)] if losses else []
    for split, named in curves.items():
        panels += [
            (f"{split}: {name}", {name: curve})
            for name, curve in named.items()
            if split != "train" or name not in losses
        ]
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    width, height = 4.2 * columns, 2.9 * rows  # inches; margins are fixed, since fitting them takes as long as drawing
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(0.6 / width, 0.5 / height, 1 - 0.15 / width, 1 - 0.35 / height, 0.22, 0.42)
    FigureCanvasAgg(figure)
    for position, (title, named) in enumerate(panels, start=1):
        _draw(figure.add_subplot(rows, columns, position), title, named)
    write_atomic(out_png, lambda temporary: figure.savefig(temporary, format="png", dpi=120))


def read_curves(metrics_csv: Path) -> Curves:
    """The finite values of metrics.csv by split and name; a blank, a word or a torn last line is passed over.

    Raises:
        DataError: the file cannot be read or holds no value.
    """
    curves: Curves = defaultdict(lambda: defaultdict(lambda: ([], [])))
    try:
        with open(metrics_csv, newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                _take(row, curves)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{metrics_csv}: cannot be read ({error})") from None
    if not curves:
        raise DataError(f"{metrics_csv}: holds no values to draw")
    return curves


def _take(row: dict[str, str], curves: Curves) -> None:
    """Add one row's values to the curves."""
    step, split = _number(row.get("step")), row.get("split")
    if step is None or not split:
        return
    for name, text in row.items():
        value = None if name in KEYS else _number(text)
        if value is not None:
            steps, values = curves[split][name]
            steps.append(step)
            values.append(value)


def _number(text: object) -> float | None:
    """The finite number a cell holds, or None."""
    try:
        value = float(text) if isinstance(text, str) else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _draw(axes: Axes, title: str, named: dict[str, Curve]) -> None:
    """Draw curves into one axes; several positive ones get a logarithmic scale and a legend."""
    for name, (steps, values) in named.items():
        axes.plot(steps, values, label=name, linewidth=1.2, marker="o" if len(steps) < 40 else "", markersize=3)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    if len(named) > 1:
        if min(min(values) for _, values in named.values()) > 0:
            axes.set_yscale("log")
        axes.legend(fontsize=7)
