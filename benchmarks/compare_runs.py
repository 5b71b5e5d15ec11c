"""A table of `evaluate --json` results, and the last one's gain over the one before it, image by image.

    python benchmarks/compare_runs.py A.json B.json ... CONTROL.json STUDENT.json

Beside each NAME.json lies NAME.csv (`evaluate --per-image`). The gain is the mean over images of control - student; its
95 % interval is a bootstrap over images: it says what other images would give, not what other seeds would.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np

from disdepth_cli.comparison.gain import LARGER_IS_BETTER, paired_gain
from disdepth_cli.config.types import METRICS


def main(files: list[Path]) -> None:
    """Print the table as Markdown, then the gain."""
    print("| model | " + " | ".join(METRICS) + " | images |")
    print("|---|" + "---|" * (len(METRICS) + 1))
    for file in files:
        result = json.loads(file.read_text())
        print(f"| {file.stem} | " + " | ".join(f"{result[m]:.4f}" for m in METRICS) + f" | {result['images']} |")
    control, student = (per_image(file.with_suffix(".csv")) for file in files[-2:])
    print(f"\n{files[-1].stem} against {files[-2].stem}, paired by image:")
    for metric in ("abs_rel", "rmse", "delta1"):
        before, after = (np.array([rows[key][metric] for key in sorted(control)]) for rows in (control, student))
        gain = paired_gain(metric, after, before)
        sign = 1 if metric in LARGER_IS_BETTER else -1
        low, high = sorted((sign * gain.low, sign * gain.high))
        print(
            f"{metric:8} better by {sign * gain.difference:+.4f} [{low:+.4f}, {high:+.4f}], "
            f"{100 * sign * (gain.relative or 0):+.1f} % of the control's {gain.control:.4f}"
        )


def per_image(file: Path) -> dict[str, dict[str, float]]:
    """Metrics by image of a per-image CSV."""
    with open(file, newline="", encoding="utf-8") as handle:
        return {row["image"]: {name: float(row[name]) for name in METRICS} for row in csv.DictReader(handle)}


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
