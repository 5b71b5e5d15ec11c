"""The depth histogram of a data set as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from disdepth_cli.files import write_atomic


def plot_depth_histogram(
    file: Path, edges: np.ndarray, counts: Mapping[str, np.ndarray], depth_range: tuple[float, float], title: str
) -> None:
    """Draw histograms by split over logarithmic depth into a PNG, atomically, each as its share of pixels.

    edges (N + 1,) [m], logarithmic; counts: split -> (N,); depth_range: what counts [m], drawn as lines.

    Raises:
        DisdepthError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    figure = Figure(figsize=(7.0, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    filled = np.flatnonzero(np.sum(list(counts.values()), axis=0))
    for split, counted in counts.items():
        axes.stairs(counted / counted.sum(), edges, label=split, fill=split == "train", alpha=0.5, linewidth=1.5)
    for side in depth_range:
        if edges[filled[0]] * 0.5 < side < edges[filled[-1] + 1] * 2:
            axes.axvline(side, color="black", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(edges[filled[0]] * 0.9, edges[filled[-1] + 1] * 1.1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(_few_labels))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("depth [m]")
    axes.set_ylabel("share of valid pixels")
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    write_atomic(file, lambda temporary: figure.savefig(temporary, format="png", dpi=120))


def _few_labels(value: float, _: int) -> str:
    """A label at 2 and 5 of every decade."""
    leading = value / 10 ** np.floor(np.log10(value))
    return f"{value:g}" if round(leading, 3) in (2, 5) else ""
