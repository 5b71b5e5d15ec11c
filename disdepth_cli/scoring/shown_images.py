"""A few images of a data set as models see them, one model after the other, as pictures of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from disdepth_cli.config.types import OutputKind
from disdepth_cli.data.batches.loader import EvalDataset
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.images import read_image
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.depth.colours import colourise
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.metrics import in_metres, scored_pixels
from disdepth_cli.evaluation.protocols import Protocol, aligned_where_relative
from disdepth_cli.evaluation.resizing import resized
from disdepth_cli.outputs.error_panel import ERRORS, Comparison, at_size, framed
from disdepth_cli.outputs.page.shown import WIDTH, Picture, ShownImage, encoded
from disdepth_cli.predictor import Predictor
from disdepth_cli.working_size import resize_image

Item = TypeVar("Item")

ORDER = ("image", "ground truth", "teacher", "ghost", "control", "student", "model", "error")
"""Of the pictures of an image."""


class ShownImages:
    """Images with pictures of what models make of them.

    judged: the model whose error is drawn. A model without a scale is aligned to the ground truth. An image that cannot
    be read, or has no valid pixel, is left out.
    """

    def __init__(
        self,
        source: DataSource,
        items: Sequence[DataItem],
        protocol: Protocol,
        judged: str,
    ) -> None:
        self.source, self.protocol, self.judged = source, protocol, judged
        self._keyed = {source.key(item): item for item in items}
        self._items = {key: ShownImage(key) for key in self._keyed}

    def with_pictures(self, before: Sequence[ShownImage]) -> ShownImages:
        """The same with what was drawn of these images before."""
        self._items |= {one.key: one for one in before if one.key in self._keyed}
        return self

    @property
    def images(self) -> list[ShownImage]:
        """Those of which there are pictures."""
        return [one for one in self._items.values() if one.pictures]

    def describe(self, words: Mapping[str, str]) -> None:
        """Say something of images, by their keys."""
        for key, said in words.items():
            if key in self._items:
                self._items[key].words = said

    def look(self, name: str, predictor: Predictor) -> None:
        """Draw what a model makes of each image, in the place of what was drawn under that name before."""
        for key, shown in self._items.items():
            try:
                drawn = self._drawn(self._keyed[key], name, predictor)
            except DataError:
                continue
            pictures = shown.pictures | drawn
            shown.pictures = {one: pictures[one] for one in ORDER if one in pictures}

    def _drawn(self, item: DataItem, name: str, predictor: Predictor) -> dict[str, Picture]:
        """The pictures of one image.

        Raises:
            DataError: it cannot be read, or nothing of it can be shown.
        """
        seen = compared(predictor, self.source, item, self.protocol)
        if isinstance(seen, Comparison):
            return self._beside_truth(seen, name)
        image, depth = seen
        size = (max(round(image.shape[0] * WIDTH / image.shape[1]), 1), WIDTH)
        if not np.isfinite(depth).any():
            raise DataError(f"{self.source.key(item)}: no finite depth")
        low, high = (float(end) for end in np.nanpercentile(depth, (2, 98)))
        colour = resize_image(colourise(depth, low=low, high=high, valid=np.isfinite(depth)), size)
        return {
            "image": Picture(encoded(resize_image(image, size))),
            name: Picture(encoded(colour), "depth", *_ends(low, high, predictor.kind)),
        }

    def _beside_truth(self, seen: Comparison, name: str) -> dict[str, Picture]:
        """Pictures in the colours of the ground truth's range, so that models can be compared."""
        truth, predicted, valid = seen.truth, seen.predicted, seen.valid
        size = (max(round(truth.shape[0] * WIDTH / truth.shape[1]), 1), WIDTH)
        low, high = (float(end) for end in np.percentile(truth[valid], (2, 98)))
        ends = _ends(low, high, "metric_depth")
        own = framed(resize_image(colourise(predicted, low=low, high=high), size), seen)
        known = at_size(colourise(truth, low=low, high=high, valid=valid), valid, size)
        drawn = {
            "image": Picture(encoded(framed(resize_image(seen.image, size), seen))),
            "ground truth": Picture(encoded(known), "depth", *ends),
            name: Picture(encoded(own), "depth", *ends),
        }
        if name == self.judged:
            error = predicted - truth
            reach = max(float(np.percentile(np.abs(error[valid]), 98)), 1e-3)
            coloured = at_size(colourise(error, ERRORS, -reach, reach, valid=valid), valid, size)
            drawn["error"] = Picture(encoded(coloured), "error", f"-{reach:.2f} m", f"+{reach:.2f} m")
        return drawn


def compared(
    predictor: Predictor, source: DataSource, item: DataItem, protocol: Protocol
) -> Comparison | tuple[np.ndarray, np.ndarray]:
    """An image, its ground truth, and the prediction as it is scored; without ground truth image and prediction alone.

    Raises:
        DataError: it cannot be read, or has no valid pixel.
    """
    loaded = EvalDataset([item], source, predictor.working_size, predictor.origins)[0]
    if loaded.error:
        raise DataError(loaded.error)
    predicted = predictor.predict_fitted(loaded.image, loaded.placement, protocol.tta, loaded.origin)
    truth, image = loaded.depth, read_image(item.image)
    if truth is None:
        return image, predicted
    protocol = aligned_where_relative(protocol, predictor.kind)
    valid = scored_pixels(truth, protocol)
    if not valid.any():
        raise DataError(f"{loaded.key}: has no valid pixel")
    full = resized(predicted, (truth.shape[0], truth.shape[1]), protocol.resize).astype(np.float64)
    metres = in_metres(full, truth, protocol, predictor.kind, valid)
    return Comparison(image, truth, metres, valid, protocol.crop_box(*truth.shape))


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most so many items, evenly spread."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[int(place)] for place in dict.fromkeys(places.tolist())]


def _ends(low: float, high: float, kind: OutputKind) -> tuple[str, str]:
    """What stands at the ends of a scale."""
    if kind == "metric_depth":
        return f"{low:.1f} m", f"{high:.1f} m"
    return ("far", "near") if kind == "disparity" else ("near", "far")
