"""Scores of many images in few numbers: means, their bootstrap intervals, and what one model has over another."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.evaluation.intervals import bootstrap_interval, paired_interval
from disdepth_cli.evaluation.metrics import mean_details
from disdepth_cli.files import write_atomic
from disdepth_cli.outputs.page.shown import histogram
from disdepth_cli.scoring.score import Scores

WORST = 8
"""How many of the worst images `errors_of` gives."""
OF_ERRORS = ("abs_rel", "disparity_error")
OF_WORST = ("abs_rel", "rmse", "delta1", "disparity_error")

HEADLINES = ("abs_rel", "rmse", "delta1")
"""The metrics of which a difference to a baseline is given."""


def summary(scores: Scores) -> dict[str, float | None]:
    """The mean over images of every metric; None where no image has a value.

    Raises:
        DataError: not one image could be scored.
    """
    means: dict[str, float | None] = dict(scores.mean.as_dict())
    if scores.details:
        details, _ = mean_details([one.scores for one in scores.details.values()])
        means |= details.as_dict()
    return means


def images_with(scores: Scores) -> dict[str, int]:
    """How many images have a value of each detail: not every image has far pixels, or an edge."""
    return mean_details([one.scores for one in scores.details.values()])[1] if scores.details else {}


def intervals(scores: Scores) -> dict[str, list[float | None]]:
    """Name to the [low, high] that hold the mean of every metric with 95 %, by a bootstrap over images."""
    return {name: _plain(bootstrap_interval(values)) for name, values in columns(scores).items()}


def differences(scores: Scores, baseline: Scores) -> dict[str, list[float | None]]:
    """Name to [low, high] of the mean of model - baseline, image by image, for the `HEADLINES`.

    Where 0 lies outside, the two differ by more than the choice of images explains.
    """
    both = [key for key in scores.per_image if key in baseline.per_image]
    one, other = columns(scores, both), columns(baseline, both)
    return {name: _plain(paired_interval(one[name], other[name])) for name in HEADLINES}


def row(scores: Scores, key: str) -> dict[str, float | None]:
    """Every metric of one image; None where it has no such value."""
    values: dict[str, float | None] = dict(scores.per_image[key].as_dict())
    if key in scores.details:
        values |= scores.details[key].scores.as_dict()
    return values


def write_rows(file: Path, scores: Scores, source: DataSource, items: Mapping[str, DataItem]) -> None:
    """One CSV row an image, in the data's order: its files, how much of it was scored, every metric.

    valid_pixels is how many pixels were scored, valid_share their share of the crop. A metric that an image does not
    have is empty.

    Raises:
        DisdepthError: the file cannot be written.
    """
    rows = []
    for key, details in scores.details.items():
        scored = {"valid_pixels": details.pixels, "valid_share": round(details.share, 6)}
        rows.append(
            {"image": key, "ground_truth": _ground_truth_file(source, items[key]), **scored, **row(scores, key)}
        )

    def write(temporary: Path) -> None:
        with open(temporary, "w", newline="", encoding="utf-8", errors="backslashreplace") as handle:
            table = csv.DictWriter(handle, list(rows[0]))
            table.writeheader()
            table.writerows(rows)

    if rows:
        write_atomic(file, write)


def _ground_truth_file(source: DataSource, item: DataItem) -> str:
    """Where an item's depth lies, relative to the data's root where it is in it."""
    location = item.depth
    if isinstance(location, Path) and location.is_relative_to(source.root):
        return location.relative_to(source.root).as_posix()
    return str(location)


def columns(scores: Scores, keys: list[str] | None = None) -> dict[str, np.ndarray]:
    """Name to one value an image (N,), NaN where it has none."""
    rows: list[dict[str, Any]] = [row(scores, key) for key in (scores.per_image if keys is None else keys)]
    return {name: np.array([one[name] for one in rows], dtype=np.float64) for name in (rows[0] if rows else ())}


def errors_of(scores: Scores) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The histogram of an error over images, and the worst of them; see `PageData`."""
    rows = {key: one.as_dict() for key, one in scores.per_image.items()}
    metric = next((name for name in OF_ERRORS if all(name in row for row in rows.values())), None)
    if not rows or metric is None:
        return {}, []
    values = [row[metric] for row in rows.values()]
    edges, counts = histogram(values)
    order = np.argsort(values)[::-1][:WORST]
    keys = list(rows)
    worst = [
        {"image": keys[index], **{name: rows[keys[index]][name] for name in OF_WORST if name in rows[keys[index]]}}
        for index in order.tolist()
    ]
    return {"metric": metric, "edges": edges, "counts": counts}, worst


def _plain(interval: tuple[float, float]) -> list[float | None]:
    """As JSON, which has no NaN."""
    return [None if math.isnan(end) else end for end in interval]
