"""What an exported file loses in accuracy, on the val images of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from disdepth_cli.config.types import Backend
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import few_labelled
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.protocols import for_output
from disdepth_cli.exporting.exported import ExportedPredictor
from disdepth_cli.predictor import Predictor
from disdepth_cli.scoring.backend import open_in_runtime
from disdepth_cli.scoring.score import protocol_of, score
from disdepth_cli.working_size import WorkingSize

if TYPE_CHECKING:
    from disdepth_cli.types import ViewOrigin

IMAGES = 200  # at most about so many, spread over all
HEADLINES = ("abs_rel", "rmse", "delta1")


def accuracy_change(
    predictor: Predictor, exported: Predictor, source: DataSource, size: tuple[int, int]
) -> dict[str, Any] | None:
    """{"images", "predict": {...}, "exported": {...}, "rmse_change": relative}; None where no val image has depth.

    size: (height, width) that both get images of, where the exported file takes whole images.
    """
    if not source.labelled("val"):
        return None
    pair = (predictor, exported)
    if _takes_images(exported):
        pair = (_OfOneSize(predictor, size), _OfOneSize(exported, size))
    before, after = (_scored(one, source) for one in pair)
    images = after.pop("images")
    before.pop("images")
    return {
        "images": images,
        "predict": before,
        "exported": after,
        "protocol": for_output(protocol_of(source), predictor.kind).as_json(),
        "rmse_change": after["rmse"] / before["rmse"] - 1,
    }


def accuracy_of(model: str, backend: Backend | None, source: DataSource, size: tuple[int, int]) -> dict[str, Any]:
    """{"images", "abs_rel", "rmse", "delta1"} of a MODEL in a runtime, on the CPU.

    size: (height, width) that images are brought to for a file that takes whole images.

    Raises:
        DataError: no val image has depth.
    """
    if not source.labelled("val"):
        raise DataError(f"{source.root}: its val images have no depth to be scored against")
    predictor = open_in_runtime(model, backend, "cpu", offline=True)
    return _scored(_OfOneSize(predictor, size) if _takes_images(predictor) else predictor, source)


def _takes_images(predictor: Predictor) -> bool:
    return isinstance(predictor, ExportedPredictor) and predictor.about.input == "image"


class _OfOneSize(Predictor):
    """A predictor whose images are brought to one size before it sees them, and its depth back."""

    def __init__(self, predictor: Predictor, size: tuple[int, int]) -> None:
        self.predictor = predictor
        self.working_size = WorkingSize(*size, multiple=1, scale_rule="stretch", pad=False)
        self.kind, self.min_depth, self.max_depth = predictor.kind, predictor.min_depth, predictor.max_depth
        self.device, self.precision, self.parameters = predictor.device, predictor.precision, predictor.parameters

    def depth_of(self, pixels: np.ndarray, origin: ViewOrigin | None = None) -> np.ndarray:
        image = np.rint(pixels[0].transpose(1, 2, 0) * 255).astype(np.uint8)
        return self.predictor.predict(image)[None]


def _scored(predictor: Predictor, source: DataSource) -> dict[str, Any]:
    items = few_labelled(source.items("val"), IMAGES)
    scores = score(predictor, source, items, for_output(protocol_of(source), predictor.kind), workers=1)
    found = scores.mean.as_dict()
    return {"images": len(scores.per_image), **{metric: found[metric] for metric in HEADLINES}}
