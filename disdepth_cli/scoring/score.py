"""Scores of a model on a list of images, under a protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from disdepth_cli.config.types import OutputKind
from disdepth_cli.data.batches.loader import EvalItem, eval_loader
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import DataItem, only_labelled
from disdepth_cli.data.files.workers import map_ahead
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.details import DetailMetrics
from disdepth_cli.evaluation.metrics import (
    DepthMetrics,
    DisparityMetrics,
    NoValidPixels,
    disparity_metrics,
    image_metrics,
    mean_metrics,
    score_image,
    scored_pixels,
)
from disdepth_cli.evaluation.protocols import Protocol, get_protocol, override
from disdepth_cli.machine.processes import from_all, rank
from disdepth_cli.machine.resources import worker_count
from disdepth_cli.machine.sums import world
from disdepth_cli.predictor import Predictor, of_one_size
from disdepth_cli.types import ViewOrigin
from disdepth_cli.working_size import restore


class Details(NamedTuple):
    """What `score(details=True)` knows of an image beside its metrics: pixels is how many pixels were scored, share
    their part of the crop."""

    scores: DetailMetrics
    pixels: int
    share: float


KEPT = 1 << 30  # bytes of a teacher's depth that are kept between validations


@dataclass
class Scores:
    """Metrics of every image, and what could not be scored."""

    per_image: dict[str, DepthMetrics | DisparityMetrics] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    details: dict[str, Details] = field(default_factory=dict)

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
    next: that of the first images, up to `KEPT` bytes, so that memory does not grow with the data."""

    def __init__(self, teacher: Predictor) -> None:
        self.teacher = teacher
        self.known: dict[str, np.ndarray] = {}
        self.kept = 0

    def __call__(self, item: EvalItem) -> np.ndarray:
        """Depth (h, w) of the image at the size it was brought to."""
        if item.key in self.known:
            return self.known[item.key]
        (top, left), (height, width) = item.placement.offset, item.placement.scaled
        view = item.image[0, :, top : top + height, left : left + width]
        image = (view.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        depth = self.teacher.predict(image, origin=item.origin)
        if self.kept + depth.nbytes <= KEPT:
            self.known[item.key] = depth
            self.kept += depth.nbytes
        return depth


def val_items(source: DataSource) -> Sequence[DataItem]:
    """What a run is validated on: the val images with ground truth, or all of them where none has any.

    Raises:
        DataError: there is no val image.
    """
    items = source.items("val")
    return only_labelled(items) or items


def protocol_of(source: DataSource, name: str | None = None) -> Protocol:
    """The named protocol, else the data's, else `plain`; with the data's range where it has none of its own."""
    said = "--protocol" if name else f"{source.root}: protocol:"
    protocol = get_protocol(name or source.protocol or "plain", said)
    if protocol.range_is_the_datas:
        protocol = override(protocol, min_depth=max(source.min_depth, 1e-3), max_depth=source.max_depth)
    return protocol


def score(
    predictor: Predictor,
    source: DataSource,
    items: Sequence[DataItem],
    protocol: Protocol,
    *,
    workers: int | None = 0,
    truth: TeacherTruth | None = None,
    on_image: Callable[[int], object] | None = None,
    details: bool = False,
) -> Scores:
    """Score images one by one; an image without depth is scored against the teacher's depth, `truth`.

    An unreadable file, or one without a valid pixel, becomes an entry of `errors` with its name. `on_image` is told
    how many are done. details: fill `Scores.details` too. The model runs in this thread; `workers` threads decode
    ahead of it, and as many score behind it (None: by cores). Their number changes nothing in the result.
    """
    scores = Scores()
    workers = worker_count(workers, predictor.device)
    origins = predictor.origins or (truth.teacher.origins if truth else None)
    loaded = eval_loader(items, source, predictor.working_size, workers, origins)
    predictions = _predictions(predictor, loaded, protocol, truth)
    judge = _Judge(protocol, predictor.kind, details)
    for done, verdict in enumerate(map_ahead(judge, predictions, workers), start=1):
        verdict.enter(scores)
        if on_image is not None:
            on_image(done)
    return scores


class _Prediction(NamedTuple):
    """depth (h, w) of the network's input size, None where the image could not be read. target (H, W): what it is
    scored against; relative: that is a teacher's disparity."""

    item: EvalItem
    depth: np.ndarray | None
    target: np.ndarray | None
    relative: bool


def _predictions(
    predictor: Predictor, loaded: Iterable[EvalItem], protocol: Protocol, truth: TeacherTruth | None
) -> Iterator[_Prediction]:
    """Run the model on each image."""
    for items in of_one_size(loaded, predictor.at_once, _size):
        if items[0].error:
            yield _Prediction(items[0], None, None, False)
            continue
        targets = [_target(item, truth) for item in items]
        known = [item.origin for item in items if item.origin is not None]
        origin = ViewOrigin.collate(known) if known else None
        depths = predictor.predict_unrestored(torch.cat([item.image for item in items]), protocol.tta, origin)
        for item, depth, (target, relative) in zip(items, depths, targets, strict=True):
            yield _Prediction(item, depth, target, relative)


def _size(item: EvalItem) -> torch.Size | None:
    return None if item.error else item.image.shape


def _target(item: EvalItem, truth: TeacherTruth | None) -> tuple[np.ndarray, bool]:
    """What an image is scored against, and whether that is a teacher's disparity.

    Raises:
        DataError: there is neither ground truth nor a teacher.
    """
    if item.depth is not None:
        return item.depth, False
    if truth is None:
        raise DataError(f"{item.key}: has no depth to be scored against; give depth, or a metric teacher")
    return truth(item), truth.teacher.kind == "disparity"


class ImageScore(NamedTuple):
    """What there is to be said of one image: its metrics, or an error."""

    key: str
    metrics: DepthMetrics | DisparityMetrics | None = None
    details: Details | None = None
    error: str = ""

    def enter(self, scores: Scores) -> None:
        """Add it to the scores."""
        if self.metrics is None:
            scores.errors.append(self.error)
            return
        scores.per_image[self.key] = self.metrics
        if self.details is not None:
            scores.details[self.key] = self.details


@dataclass(frozen=True)
class _Judge:
    """Scores one prediction; what is called in several threads at once."""

    protocol: Protocol
    kind: OutputKind
    details: bool

    def __call__(self, prediction: _Prediction) -> ImageScore:
        item, target = prediction.item, prediction.target
        if prediction.depth is None or target is None:
            return ImageScore(item.key, error=item.error or "")
        depth = restore(prediction.depth, item.placement)
        try:
            if prediction.relative:
                return ImageScore(item.key, disparity_metrics(depth, target))
            if not np.isfinite(depth).any():  # the metrics read NaN as the smallest depth, and would score it
                lost = "the model gives no finite depth; train it again with a lower --lr"
                return ImageScore(item.key, error=f"{item.key}: {lost}")
            if not self.details:
                return ImageScore(item.key, image_metrics(depth, target, self.protocol, self.kind))
            return judge_in_detail(item.key, depth, target, self.protocol, self.kind)
        except NoValidPixels as error:
            return ImageScore(item.key, error=f"{item.key}: {error}")


def judge_in_detail(
    key: str, depth: np.ndarray, target: np.ndarray, protocol: Protocol, kind: OutputKind
) -> ImageScore:
    """All that can be said of depth (h, w) beside target (H, W) [m].

    Raises:
        NoValidPixels: no ground truth is left.
    """
    known = score_image(depth, target, protocol, kind)
    top, bottom, left, right = protocol.crop_box(*target.shape)
    pixels = int(np.count_nonzero(scored_pixels(target, protocol)))
    share = pixels / ((bottom - top) * (right - left))
    return ImageScore(key, known.metrics, Details(known.details, pixels, share))


def score_split(
    predictor: Predictor,
    source: DataSource,
    items: Sequence[DataItem],
    protocol: Protocol,
    *,
    workers: int | None = 0,
    truth: TeacherTruth | None = None,
) -> Scores:
    """`scoring.score` of the items, in their order, shared among the processes of a run.

    Stretches, not every n-th image: one after the other they are the list again, images and errors alike. A process
    has the same stretch each time, so the teacher's depth that it keeps is of use.
    """
    if world() == 1:
        return score(predictor, source, items, protocol, workers=workers, truth=truth)
    begin, end = (len(items) * index // world() for index in (rank(), rank() + 1))
    mine = items[begin:end]
    parts = from_all(lambda: score(predictor, source, mine, protocol, workers=workers, truth=truth))
    whole = Scores()
    for part in parts:
        whole.per_image.update(part.per_image)
        whole.errors.extend(part.errors)
    return whole
