"""Milliseconds to score one image of 480 x 640 pixels on one core, beside the formulas written down in plain NumPy.

    OMP_NUM_THREADS=1 python benchmarks/metrics.py

The scene is made up: boxes in a room, and a prediction that is blurred and off by a tenth. CPU time, the median of 50.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np

from disdepth_cli.evaluation.metrics import image_metrics, score_image
from disdepth_cli.evaluation.protocols import get_protocol, override

RUNS = 50


def main() -> None:
    """Print a Markdown table."""
    truth, prediction = scene()
    nyu = get_protocol("nyu-eigen")
    whole = override(get_protocol("plain"), max_depth=10.0)
    aligned = override(whole, align="scale-shift", space="disparity")
    print("| protocol | plain NumPy, 9 metrics | image_metrics, the same 9 | score_image, with details |")
    print("|---|---|---|---|")
    for name, protocol in (("nyu-eigen", nyu), ("every pixel", whole), ("every pixel, aligned in disparity", aligned)):
        top, bottom, left, right = protocol.crop_box(480, 640)
        box = np.s_[top:bottom, left:right]
        plain = (
            "-" if protocol is aligned else f"{milliseconds(lambda box=box: formulas(prediction[box], truth[box])):.1f}"
        )
        metrics = milliseconds(lambda protocol=protocol: image_metrics(prediction, truth, protocol))
        scores = milliseconds(lambda protocol=protocol: score_image(prediction, truth, protocol))
        print(f"| {name} | {plain} | {metrics:.1f} | {scores:.1f} |")


def scene() -> tuple[np.ndarray, np.ndarray]:
    """(truth, prediction), (480, 640) float32 [m]."""
    random = np.random.default_rng(0)
    truth = np.kron(random.uniform(1, 9, (8, 8)), np.ones((60, 80))).astype(np.float32)
    wrong = cv2.GaussianBlur(random.standard_normal(truth.shape), (0, 0), 20)
    prediction = cv2.GaussianBlur(truth, (0, 0), 3) * (1 + 0.1 * wrong / wrong.std())
    return truth, prediction.astype(np.float32)


def formulas(prediction: np.ndarray, truth: np.ndarray) -> list[float]:
    """The nine metrics in the order of `DepthMetrics`, a line each."""
    valid = (truth > 1e-3) & (truth < 10)
    g, p = truth[valid].astype(np.float64), np.clip(prediction[valid].astype(np.float64), 1e-3, 10)
    worst, e = np.maximum(g / p, p / g), np.log(p) - np.log(g)
    return [
        np.mean(np.abs(g - p) / g),
        np.mean((g - p) ** 2 / g),
        np.sqrt(np.mean((g - p) ** 2)),
        np.sqrt(np.mean(e**2)),
        np.mean(np.abs(np.log10(g) - np.log10(p))),
        100 * np.sqrt(np.mean(e**2) - np.mean(e) ** 2),
        *(np.mean(worst < 1.25**k) for k in (1, 2, 3)),
    ]


def milliseconds(work: Callable[[], object]) -> float:
    """CPU time of one call."""
    times = []
    for _ in range(RUNS + 1):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return 1000 * float(np.median(times[1:]))


if __name__ == "__main__":
    main()
