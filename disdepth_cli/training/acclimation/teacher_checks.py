"""Can a teacher help? What it says through training views beside whole images and labels, and what it adds to labels.

A teacher is scored on whole images, and it teaches through views: it may look splendid and teach wrong metres.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from disdepth_cli.data.batches.loader import TrainDataset
from disdepth_cli.data.batches.origin import Origins
from disdepth_cli.data.batches.views import TrainView
from disdepth_cli.data.files.item import DataItem, few_labelled, labelled_count
from disdepth_cli.data.files.pair import load_pair
from disdepth_cli.errors import DataError, TeacherError
from disdepth_cli.evaluation.metrics import NoValidPixels, image_metrics
from disdepth_cli.observer import Observer
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.scoring.teacher_inputs import origins_of
from disdepth_cli.teachers.teacher import DepthTeacher, cut
from disdepth_cli.training.data import TrainingData
from disdepth_cli.types import DepthBatch, DepthOutput, DepthSample, StoredBatch, ViewOrigin

IMAGES = 50
OFF = 0.05  # beyond which a view's metres are warned of
FACTOR = 1.5  # beyond which metres of whole images are those of another scale
AGREES = 0.10  # mean relative error on labelled images below which a teacher tells little more than the labels
WRONG_WAY = 0.3  # rank correlation with the labels in the wrong direction that is no chance


@dataclass(frozen=True)
class TeacherChecks:
    """What was found on `images` training images; None where it cannot be told.

    to_whole: median of the teacher's depth through a view, times the view's zoom, over its depth of the whole image.
    to_labels: the same over the labels. whole_to_labels: its depth of whole images over the labels. train_error,
    val_error: its mean relative error (abs_rel) on whole training images and on val.
    """

    images: int
    to_whole: float | None = None
    to_labels: float | None = None
    whole_to_labels: float | None = None
    train_error: float | None = None
    val_error: float | None = None

    def as_dict(self) -> dict[str, float | int | None]:
        return asdict(self)

    def lines(self) -> dict[str, str]:
        """For people: `view_check` and `word_check`."""
        if not self.images:
            return {"view_check": "not done: the teacher gives no metres", "word_check": "not done"}
        told = {"its own depth of the whole image": self.to_whole, "the labels": self.to_labels}
        views = ", ".join(f"{ratio:.3f} of {what}" for what, ratio in told.items() if ratio is not None)
        errors = {"labelled training images": self.train_error, "val": self.val_error}
        words = ", ".join(f"{100 * error:.1f} % on {what}" for what, error in errors.items() if error is not None)
        return {
            "view_check": f"through {self.images} training views its depth is {views}",
            "word_check": f"its mean relative error is {words}" if words else "not done: no labels",
        }

    def warnings(self, name: str, unlabelled: bool) -> Iterator[str]:
        """What to beware of. unlabelled: there are training images without labels."""
        factor = self.whole_to_labels
        if factor is not None and not 1 / FACTOR < factor < FACTOR:
            yield (
                f"{name}: its depth is {factor:.3g} times the labels, of whole images too: depth_scale in data.yaml is "
                "wrong, or the teacher has another scale; disdepth check DATA compares scales"
            )
            return
        ratio = self.to_labels if self.to_labels is not None else self.to_whole
        if ratio is not None and abs(ratio - 1) > OFF:
            beside = "the labels say" if self.to_labels is not None else "it says of the whole image"
            whole = f" (of whole images: {self.whole_to_labels:.2f})" if self.whole_to_labels is not None else ""
            advice = "; a network of your own may be shown whole images, whole=True" if self.to_whole else ""
            yield (
                f"{name}: through training views it sees things {ratio:.2f} times as far as {beside}{whole}, and the "
                f"student learns that{advice}"
            )
        if self.train_error is not None and self.train_error < AGREES and not unlabelled:
            yield (
                f"{name}: agrees with your labels to {100 * self.train_error:.0f} %, so on labelled images it adds "
                "little; give unlabelled images (`unlabeled:` in data.yaml)"
            )


def tell_checks(found: TeacherChecks, teacher: DepthTeacher, data: TrainingData, observer: Observer) -> None:
    """Tell what was found of a teacher's word, and warn where it cannot help."""
    name, without = teacher.contract.id, data.source.counts()[1]
    if found.images:
        for line in found.lines().values():
            observer.on_note(f"teacher: {line}")
    for warning in found.warnings(name, unlabelled=without > 0):
        observer.on_warning(warning)


@torch.no_grad()
def check_teacher(
    teacher: DepthTeacher,
    whole: DepthPredictor | None,
    data: TrainingData,
    val_error: float | None = None,
) -> TeacherChecks:
    """Look through some training views and at their whole images.

    whole: the teacher's predictor of whole images; None for one without depth. val_error: its abs_rel on val, where it
    is known.

    Raises:
        TeacherError: its numbers run against the labels, where its contract says that they run with them.
    """
    if whole is None:
        return TeacherChecks(0)
    items = few_labelled(data.source.train, IMAGES) if labelled_count(data.source.train) else data.source.train
    items = items[:IMAGES]
    dataset = _views(teacher, items, data)
    ratios: dict[str, list[float]] = {"whole": [], "labels": [], "whole_labels": [], "error": [], "ranks": []}
    for index, item in enumerate(items):
        sample = dataset[(0, index)]
        if isinstance(sample, DepthSample):
            _look(teacher, whole, item, StoredBatch.collate([sample]).to(teacher.mean.device), data, ratios)
    _check_direction(teacher, ratios["ranks"])
    if teacher.contract.kind != "metric_depth":
        return TeacherChecks(0)
    return TeacherChecks(
        images=len(items),
        to_whole=_median(ratios["whole"]) if teacher.contract.sees == "view" else None,
        to_labels=_median(ratios["labels"]),
        whole_to_labels=_median(ratios["whole_labels"]),
        train_error=float(np.mean(ratios["error"])) if ratios["error"] else None,
        val_error=val_error,
    )


def _views(teacher: DepthTeacher, items: Sequence[DataItem], data: TrainingData) -> TrainDataset:
    """The first training views of the images, with all that is known of where they come from."""
    border, crop = data.protocol.training_box, data.crop_size()
    view = TrainView(data.augment, crop, data.working_size, border, data.seed, data.min_depth, data.max_depth)
    known = origins_of([teacher])
    return TrainDataset(items, data.source, view, known or Origins({}))


def _look(
    teacher: DepthTeacher,
    whole: DepthPredictor,
    item: DataItem,
    view: DepthBatch,
    data: TrainingData,
    ratios: dict[str, list[float]],
) -> None:
    """One image: what is said of its view and of it, beside its labels; added to `ratios`."""
    assert view.origin is not None
    try:
        image, truth = load_pair(item, data.source)
    except DataError:
        return
    seen = teacher(view.image, view.origin).depth
    labels, valid = view.depth[0].cpu(), view.valid[0].cpu()
    depth = whole.predict(image, origin=_of_whole(item, image, data, whole))
    assert seen is not None
    kind, size = teacher.contract.kind, (seen.shape[-2], seen.shape[-1])
    alone = DepthOutput(depth=torch.from_numpy(depth)[None, None], features=[])
    cut_out = cut(alone, view.origin.to(torch.device("cpu")), size, (), kind).depth
    assert cut_out is not None
    if kind != "metric_depth":
        ratios["ranks"] += _rank_correlation(seen[0].cpu(), labels, valid)
        return
    everywhere = torch.ones_like(valid)
    ratios["whole"] += _ratio(seen[0].cpu(), cut_out[0], everywhere)
    ratios["labels"] += _ratio(seen[0].cpu(), labels, valid)
    ratios["whole_labels"] += _ratio(cut_out[0], labels, valid)
    if truth is not None:
        with suppress(NoValidPixels):
            ratios["error"].append(image_metrics(depth, truth, data.protocol, "metric_depth").abs_rel)


def _of_whole(item: DataItem, image: np.ndarray, data: TrainingData, whole: DepthPredictor) -> ViewOrigin | None:
    """The origin of a whole image in its own pixels, where the teacher asks for it."""
    if whole.origins is None:
        return None
    return whole.origins.of_unscaled(item, image, data.source)


def _ratio(depth: Tensor, reference: Tensor, valid: Tensor) -> list[float]:
    """[median of mine / theirs over valid pixels]; empty without any."""
    known = valid & torch.isfinite(depth) & torch.isfinite(reference) & (reference > 0)
    return [float((depth[known] / reference[known]).median())] if bool(known.any()) else []


def _rank_correlation(depth: Tensor, reference: Tensor, valid: Tensor) -> list[float]:
    """[Spearman's correlation over valid pixels]; empty where there are few."""
    known = valid & torch.isfinite(depth)
    if int(known.sum()) < 16:
        return []
    ranks = [values[known].argsort().argsort().double() for values in (depth, reference)]
    return [float(torch.corrcoef(torch.stack(ranks))[0, 1])]


def _check_direction(teacher: DepthTeacher, correlations: Sequence[float]) -> None:
    """Hold a relative teacher's direction against the labels: stored maps have met no test image.

    Raises:
        TeacherError: it runs the other way.
    """
    correlation = _median(correlations)
    expected = -1 if teacher.contract.kind == "disparity" else 1
    if correlation is None or expected * correlation > -WRONG_WAY:
        return
    move, other = ("grow", "relative_depth") if expected < 0 else ("fall", "disparity")
    raise TeacherError(
        f"{teacher.contract.id}: declares {teacher.contract.kind}, but its numbers {move} with your labels' depth "
        f"(rank correlation {correlation:+.2f}); declare {other}, or see whether its maps belong to these images"
    )


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if len(values) else None
