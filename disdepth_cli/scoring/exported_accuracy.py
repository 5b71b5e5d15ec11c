"""What an exported file loses in accuracy, on the val images of a data set."""

from __future__ import annotations

from typing import Any

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

IMAGES = 200  # at most about so many, spread over all
HEADLINES = ("abs_rel", "rmse", "delta1")


def accuracy_change(
    predictor: Predictor, exported: Predictor, source: DataSource, size: tuple[int, int]
) -> dict[str, Any] | None:
    """{"images", "predict": {...}, "exported": {...}, "rmse_change": relative}; None where no val image has depth.

    size: (height, width) that whole images are brought to before the exported file takes them.
    """
    if not source.labelled("val"):
        return None
    before, after = (_scored(one, source, size) for one in (predictor, exported))
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

    Raises:
        DataError: no val image has depth.
    """
    if not source.labelled("val"):
        raise DataError(f"{source.root}: its val images have no depth to be scored against")
    return _scored(open_in_runtime(model, backend, "cpu", offline=True), source, size)


def _scored(predictor: Predictor, source: DataSource, size: tuple[int, int]) -> dict[str, Any]:
    if isinstance(predictor, ExportedPredictor) and predictor.about.input == "image":
        predictor.working_size = WorkingSize(*size, multiple=1, scale_rule="stretch", pad=False)
    items = few_labelled(source.items("val"), IMAGES)
    scores = score(predictor, source, items, for_output(protocol_of(source), predictor.kind), workers=1)
    found = scores.mean.as_dict()
    return {"images": len(scores.per_image), **{metric: found[metric] for metric in HEADLINES}}
