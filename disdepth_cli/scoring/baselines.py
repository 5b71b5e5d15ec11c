"""What a model is worth beside: one depth everywhere, the mean depth map of the training images, its teacher.

They are scored on the images that the model was scored on, under the same protocol. Where that aligns, they are aligned
as the model is: then a constant becomes every image's own best constant, fitted to its ground truth, and its depth
says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from disdepth_cli.config.types import OutputKind
from disdepth_cli.data.batches.loader import EvalItem, eval_loader
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import DataItem, only_labelled
from disdepth_cli.data.files.workers import map_ahead
from disdepth_cli.data.shards.items import ShardItems
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.constant_and_mean import ConstantBaseline, ConstantMetric, MeanDepthMap
from disdepth_cli.evaluation.metrics import NoValidPixels, scored_pixels
from disdepth_cli.evaluation.protocols import Protocol, aligned_where_relative
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.scoring.score import ImageScore, Scores, judge_in_detail, score
from disdepth_cli.working_size import WorkingSize

CHOSEN_BY: ConstantMetric = "abs_rel"
METRES: OutputKind = "metric_depth"
UNSEEN = WorkingSize(32, 32)  # of images that nobody looks at
ALIGNED = "aligned to each image's ground truth, since its numbers have no scale: not a like comparison"
SEED = 0  # of the training images that make the mean map


class Baseline(NamedTuple):
    """What was scored, and what is to be said of it; no scores where it cannot be had, and `about` says why."""

    about: dict[str, Any]
    scores: Scores | None = None


def unavailable(reason: str) -> Baseline:
    """A baseline that cannot be had."""
    return Baseline({"unavailable": reason})


def constant_and_mean_map(
    source: DataSource, items: Sequence[DataItem], protocol: Protocol, images: int, workers: int
) -> dict[str, Baseline]:
    """The two baselines that look at no image, on `items`. images: training depth maps read for the mean map; 0: all.

    Reads the ground truth of `items` once more; `workers` threads do most of it.
    """
    maps: dict[str, tuple[np.ndarray, dict[str, Any]]] = {}
    failures: dict[str, Baseline] = {}
    makers: dict[str, Callable[[], tuple[np.ndarray, dict[str, Any]]]] = {
        "constant": partial(_constant, source, items, protocol, workers),
        "mean_map": partial(_mean_map, source, images, workers),
    }
    for name, make in makers.items():
        try:
            maps[name] = make()
        except DataError as error:
            failures[name] = unavailable(str(error))
    scored: dict[str, Scores] = {name: Scores() for name in maps}
    judge = partial(_judge, protocol, {name: depth for name, (depth, _) in maps.items()})
    for image_scores in map_ahead(judge, eval_loader(items, source, UNSEEN, workers), workers):
        for name, image_score in image_scores.items():
            image_score.enter(scored[name])
    known = {name: Baseline(about, scored[name]) for name, (_, about) in maps.items() if scored[name].per_image}
    return {name: known.get(name) or failures.get(name) or unavailable("no image was scored") for name in makers}


def teacher_baseline(
    teacher: DepthPredictor,
    source: DataSource,
    items: Sequence[DataItem],
    protocol: Protocol,
    workers: int,
    on_image: Callable[[int], object],
) -> Baseline:
    """The teacher's own depth, on `items`. protocol: the data's, not yet made to fit a kind of output."""
    own = aligned_where_relative(protocol, teacher.kind)
    about: dict[str, Any] = {"note": ALIGNED} if own.align != protocol.align else {}
    scores = score(teacher, source, items, own, workers=workers, on_image=on_image, details=True)
    if not scores.per_image:
        return unavailable(f"not one image could be scored; the first reason: {scores.errors[0]}")
    if own != protocol:
        about["protocol"] = own.as_json()
    return Baseline(about, scores)


def spread(items: Sequence[DataItem], count: int) -> Sequence[DataItem]:
    """`count` of the items, one drawn from each of as many equal stretches of the list, the same ones every time.

    0: all of them. Of shards, those that are at hand with few downloads.
    """
    if count <= 0 or count >= len(items):
        return items
    if isinstance(items, ShardItems):
        return items.few(count)
    edges = np.linspace(0, len(items), count + 1)
    positions = np.random.default_rng(SEED).uniform(edges[:-1], edges[1:]).astype(int)
    return [items[position] for position in positions.tolist()]


def _constant(
    source: DataSource, items: Sequence[DataItem], protocol: Protocol, workers: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """The constant as a map (1, 1), and what is said of it."""
    if protocol.align != "none":
        note = f"--align {protocol.align} makes a constant each image's own best one, fitted to its ground truth"
        return np.ones((1, 1), np.float32), {"depth": None, "note": note}
    constant = ConstantBaseline()
    for depth in _depths(source, items, workers):
        constant.add(depth, scored_pixels(depth, protocol))
    best = constant.best(CHOSEN_BY)
    return np.full((1, 1), best, np.float32), {"depth": best, "best_for": CHOSEN_BY, "chosen_on": "these images"}


def _mean_map(source: DataSource, count: int, workers: int) -> tuple[np.ndarray, dict[str, Any]]:
    """The mean depth map, and what is said of it.

    Raises:
        DataError: there is no training depth.
    """
    labelled = only_labelled(source.train)
    if not labelled:
        raise DataError("the data has no training images with depth")
    mean_map = MeanDepthMap()
    for depth in _depths(source, spread(labelled, count), workers):
        mean_map.add(np.where((depth > source.min_depth) & (depth < source.max_depth), depth, 0))
    return mean_map.result(), {"images": mean_map.images, "of": len(labelled)}


def _depths(source: DataSource, items: Sequence[DataItem], workers: int) -> Iterator[np.ndarray]:
    """Ground truth (h, w) [m] of the items that can be read; the others are errors of the model's scores, or of
    training."""
    return (item.depth for item in eval_loader(items, source, UNSEEN, workers) if item.depth is not None)


def _judge(protocol: Protocol, maps: dict[str, np.ndarray], item: EvalItem) -> dict[str, ImageScore]:
    """Name to verdict, of one image."""
    if item.depth is None:
        return {}
    try:
        return {name: judge_in_detail(item.key, depth, item.depth, protocol, METRES) for name, depth in maps.items()}
    except NoValidPixels:
        return {}
