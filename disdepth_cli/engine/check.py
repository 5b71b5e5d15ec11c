"""Check: every file of a data set looked at before time is spent on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from disdepth_cli.config import CheckConfig
from disdepth_cli.data.files.dataset import DataSource, Split
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.workers import map_ahead
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import MissingError
from disdepth_cli.files import check_writable
from disdepth_cli.inspection.finding import EDGES, DepthStatistics, Finding, inspect
from disdepth_cli.inspection.packed import judge_shards
from disdepth_cli.inspection.problems import Problems, judge
from disdepth_cli.inspection.scale import scale_guesses
from disdepth_cli.inspection.split_counts import SplitCounts, depth_of_all, shared_images
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.outputs.depth_histogram import plot_depth_histogram
from disdepth_cli.results.data import CheckResult


def check(config: CheckConfig, observer: Observer = SILENT) -> CheckResult:
    """Look at every image and depth map of a data set.

    Raises:
        DisdepthError: the data set cannot be opened at all; its message is one line for the user.
    """
    began = time.monotonic()
    source = load_source(config.data, strict=False)
    picture = config.output / f"{_name(config.data, source)}-depth.png"
    if config.picture:
        check_writable(picture)
    counts_by_split = _look_at_all(source, config, observer)
    train, val = counts_by_split["train"], counts_by_split["val"]
    equal, near = shared_images(train, val)
    depth = depth_of_all(counts_by_split.values())
    problems = judge(source, counts_by_split, equal, near, config.sample is None)
    if config.sample is None:
        judge_shards(problems, source)
    result = CheckResult(
        data=str(config.data),
        name=source.name,
        format=source.format,
        ok=not problems.errors,
        protocol=source.protocol,
        splits={split: of_split.as_dict() | _unfound(source, split) for split, of_split in counts_by_split.items()},
        depth=_depth(depth),
        scale=_scale(source, depth),
        duplicates={"equal": equal, "similar": near, "within_train": train.repeated, "within_val": val.repeated},
        skipped=[{"split": skip.split, "where": skip.where, "reason": skip.reason} for skip in source.skipped],
        problems=problems.problems,
        errors=problems.errors,
        warnings=problems.warnings,
        picture=_picture(picture, source, counts_by_split, observer) if config.picture else None,
        seconds=round(time.monotonic() - began, 2),
    )
    _tell(observer, problems)
    return result


def _look_at_all(source: DataSource, config: CheckConfig, observer: Observer) -> dict[Split, SplitCounts]:
    lists: dict[Split, Sequence[DataItem]] = {"train": source.train, "val": source.val}
    chosen = {split: _spread(items, config.sample) for split, items in lists.items()}
    total, done = sum(map(len, chosen.values())), 0
    counts_by_split = {split: SplitCounts(split, len(items)) for split, items in lists.items()}
    for split, indices in chosen.items():
        items = (lists[split][index] for index in indices)
        for found in _inspected(items, partial(inspect, source=source, split=split), config.workers):
            counts_by_split[split].add(found)
            done += 1
            observer.on_image(done, total)
    return counts_by_split


def _inspected(items: Iterator[DataItem], look: Callable[[DataItem], Finding], workers: int) -> Iterator[Finding]:
    """The findings, in order."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)  # threads of threads take a third more of the processors' time
    try:
        yield from map_ahead(look, items, workers)
    finally:
        cv2.setNumThreads(threads)


def _spread(items: Sequence[DataItem], sample: int | None) -> range | list[int]:
    """All indices, or `sample` of them, spread evenly."""
    if sample is None or sample >= len(items):
        return range(len(items))
    return [index * len(items) // sample for index in range(sample)]


def _unfound(source: DataSource, split: Split) -> dict[str, int]:
    return {
        "missing": sum(one.split == split for one in source.missing),
        "skipped": sum(one.split == split for one in source.skipped),  # those before the split are in `skipped` alone
    }


def _depth(found: DepthStatistics) -> dict[str, Any] | None:
    """Depth over both splits [m]; None where no image has any."""
    if not found.positive:
        return None
    low, middle, high = found.quantiles(0.01, 0.5, 0.99)
    return {
        "min": found.lowest,
        "p01": low,
        "median": middle,
        "p99": high,
        "max": found.highest,
        "histogram": {"edges": [float(f"{edge:.6g}") for edge in EDGES], "counts": found.counts.tolist()},
    }


def _scale(source: DataSource, found: DepthStatistics) -> dict[str, Any]:
    median, far = found.quantiles(0.5, 0.99) if found.positive else (0.0, 0.0)
    guesses = scale_guesses(median, far, source.coding) if found.positive else []
    return {
        "depth_scale": source.coding.scale,
        "meaning": source.coding.meaning,
        "min_depth": source.min_depth,
        "max_depth": source.max_depth,
        "candidates": [
            {
                "name": guess.name,
                "depth_scale": guess.scale,
                "median": float(f"{guess.median:.4g}"),
                "p99": float(f"{guess.far:.4g}"),
                "plausible": guess.plausible,
            }
            for guess in guesses
        ],
    }


def _name(data: str, source: DataSource) -> str:
    """What the data is called: a folder may hold several descriptions."""
    stem = Path(data).stem
    return source.name if stem == "data" or not data.endswith((".yaml", ".yml")) else f"{source.name}-{stem}"


def _picture(
    file: Path, source: DataSource, counts_by_split: dict[Split, SplitCounts], observer: Observer
) -> str | None:
    counts: dict[str, np.ndarray] = {
        split: of_split.depth.counts for split, of_split in counts_by_split.items() if of_split.depth.positive
    }
    if not counts:
        return None
    try:
        plot_depth_histogram(file, EDGES, counts, (source.min_depth, source.max_depth), source.name)
    except MissingError as error:
        observer.on_note(f"{error}, or add --no-picture")
        return None
    return str(file)


def _tell(observer: Observer, problems: Problems) -> None:
    for message in problems.warnings:
        observer.on_warning(message)
