"""Scores of a model on a list of images, under a protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from disdepth_cli.data.loader import EvalItem, eval_loader
from disdepth_cli.data.shards import only_labelled
from disdepth_cli.data.sources import DataItem, DataSource
from disdepth_cli.engine.inference import DepthPredictor
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.metrics import (
    DepthMetrics,
    DisparityMetrics,
    NoValidPixels,
    disparity_metrics,
    image_metrics,
    mean_metrics,
)
from disdepth_cli.evaluation.protocols import Protocol, get_protocol, override


@dataclass
class Scores:
    """Metrics of every image, and what could not be scored."""

    per_image: dict[str, DepthMetrics | DisparityMetrics] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def mean(self) -> DepthMetrics | DisparityMetrics:
        """The mean over images.

        Raises:
            DataError: not one image could be scored.
        """
        if not self.per_image:
            raise DataError(f"no image could be scored; the first reason: {self.errors[0] if self.errors else 'none'}")
        return mean_metrics(list(self.per_image.values()))


class TeacherTruth:
    """A teacher's depth [m], or relative disparity, in the place of ground truth, kept from one validation to the
    next."""

    def __init__(self, teacher: DepthPredictor) -> None:
        self.teacher = teacher
        self.known: dict[str, np.ndarray] = {}

    def __call__(self, item: EvalItem) -> np.ndarray:
        """Depth (h, w) of the image at the size it was brought to."""
        if item.key not in self.known:
            (top, left), (height, width) = item.placement.offset, item.placement.scaled
            view = item.image[0, :, top : top + height, left : left + width]
            image = (view.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            self.known[item.key] = self.teacher.predict(image)
        return self.known[item.key]


def val_items(source: DataSource) -> Sequence[DataItem]:
    """What a run is validated on: the val images with ground truth, or all of them where none has any.

    Raises:
        DataError: there is no val image.
    """
    items = source.items("val")
    return only_labelled(items) or items


def protocol_of(source: DataSource, name: str | None = None) -> Protocol:
    """The named protocol, else the data's, else `plain` with the data's range."""
    protocol = get_protocol(name or source.protocol or "plain")
    if protocol.name == "plain":
        protocol = override(protocol, min_depth=max(source.min_depth, 1e-3), max_depth=source.max_depth)
    return protocol


def score(
    predictor: DepthPredictor,
    source: DataSource,
    items: Sequence[DataItem],
    protocol: Protocol,
    *,
    workers: int = 0,
    truth: TeacherTruth | None = None,
    on_image: Callable[[int], object] | None = None,
) -> Scores:
    """Score images one by one; an image without depth is scored against the teacher's depth, `truth`.

    An unreadable file, or one without a valid pixel, becomes an entry of `errors` with its name. `on_image` is told
    how many are done.
    """
    scores = Scores()
    for done, item in enumerate(eval_loader(items, source, predictor.working_size, workers), start=1):
        _score_one(scores, predictor, item, protocol, truth)
        if on_image is not None:
            on_image(done)
    return scores


def _score_one(
    scores: Scores, predictor: DepthPredictor, item: EvalItem, protocol: Protocol, truth: TeacherTruth | None
) -> None:
    if item.error:
        scores.errors.append(item.error)
        return
    target = item.depth
    if target is None:
        if truth is None:
            raise DataError(f"{item.key}: has no depth to be scored against; give depth, or a metric teacher")
        target = truth(item)
        if truth.teacher.kind == "disparity":
            predicted = predictor.predict_fitted(item.image, item.placement, flip=protocol.tta)
            scores.per_image[item.key] = disparity_metrics(predicted, target)
            return
    depth = predictor.predict_fitted(item.image, item.placement, flip=protocol.tta)
    if not np.isfinite(depth).any():  # the metrics read NaN as the smallest depth, and would score it
        scores.errors.append(f"{item.key}: the model gives no finite depth; train it again with a lower --lr")
        return
    try:
        scores.per_image[item.key] = image_metrics(depth, target, protocol, predictor.kind)
    except NoValidPixels as error:
        scores.errors.append(f"{item.key}: {error}")
