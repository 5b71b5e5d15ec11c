#!/usr/bin/env python
"""Print the quickstart's table and draw its panel: `python examples/show_results.py quickstart`.

Reads what `quickstart.sh` left in the folder: eval-*.json, the predictions, and the weights, whose numbers are
counted from the files' headers. Writes panel.png: photo, ground truth, student, control, one colour scale.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from rich.console import Console
from rich.table import Table
from safetensors import safe_open

matplotlib.use("Agg")

EXAMPLES = Path(__file__).resolve().parent
MILLIMETRES = 1000.0
ROWS = (
    ("teacher", "eval-teacher.json", EXAMPLES / "tiny_teacher" / "model.safetensors"),
    ("acclimated teacher", "eval-acclimated.json", None),
    ("student", "eval-student.json", Path("student/student.safetensors")),
    ("control (no teacher)", "eval-control.json", Path("control/student.safetensors")),
)
"""Name in the table, file of its figures, file of its weights (none: it is the teacher plus a training-only part)."""


def count_parameters(weights: Path) -> int:
    """How many floating-point numbers a safetensors file holds; read from its header."""
    total = 0
    with safe_open(weights, framework="np") as file:
        for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
            tensor = file.get_slice(name)
            if tensor.get_dtype().startswith(("F", "BF")):
                total += math.prod(tensor.get_shape())
    return total


def results_table(folder: Path) -> Table:
    """The figures of each model on the rooms that none of them was trained on."""
    table = Table(title="on the validation rooms")
    table.add_column("model")
    for name in ("abs_rel", "rmse [m]", "delta1", "parameters"):
        table.add_column(name, justify="right")
    for name, figures, weights in ROWS:
        scores = json.loads((folder / figures).read_text(encoding="utf-8"))
        parameters = f"{count_parameters(folder / weights) / 1e6:.1f} M" if weights else ""
        table.add_row(name, f"{scores['abs_rel']:.4f}", f"{scores['rmse']:.3f}", f"{scores['delta1']:.4f}", parameters)
    return table


def read_depth(file: Path) -> np.ndarray:
    """Depth (H, W) [m] of a uint16 PNG in millimetres."""
    return cv2.imread(str(file), cv2.IMREAD_UNCHANGED) / MILLIMETRES


def draw_panel(folder: Path, file: Path) -> None:
    """One row per predicted val room: photo, ground truth, student, control, all depths on one scale [m]."""
    pairs = [line.split()[:2] for line in (folder / "rooms/val.txt").read_text(encoding="utf-8").splitlines()]
    pairs = [pair for pair in pairs if (folder / "predictions" / f"{Path(pair[0]).stem}_depth.png").exists()]
    figure, axes = plt.subplots(len(pairs), 4, figsize=(10, 2 * len(pairs)), squeeze=False, layout="constrained")
    for row, (photo, depth) in zip(axes, pairs, strict=True):
        name = f"{Path(photo).stem}_depth.png"
        truth = read_depth(folder / "rooms" / depth)
        row[0].imshow(cv2.imread(str(folder / "rooms" / photo))[..., ::-1])
        predictions = [read_depth(folder / place / name) for place in ("predictions", "predictions-control")]
        for axis, shown in zip(row[1:], [truth, *predictions], strict=True):
            picture = axis.imshow(shown, cmap="Spectral_r", vmin=truth.min(), vmax=truth.max())
        figure.colorbar(picture, ax=row.tolist(), label="depth [m]", shrink=0.9)
    for axis, title in zip(axes[0], ("image", "ground truth", "student", "control"), strict=True):
        axis.set_title(title)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(file, dpi=110)


def main() -> None:
    """Table, panel, and where the pictures are."""
    parser = argparse.ArgumentParser(description="Show what the quickstart made.")
    parser.add_argument("folder", type=Path, help="the quickstart's folder")
    folder = parser.parse_args().folder
    panel = folder / "panel.png"
    draw_panel(folder, panel)
    console = Console()
    console.print(results_table(folder))
    console.print(f"pictures: {panel} and {folder / 'predictions'}", soft_wrap=True)


if __name__ == "__main__":
    main()
