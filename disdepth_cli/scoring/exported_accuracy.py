"""What an exported file loses in accuracy, on the val images of a data set."""

from __future__ import annotations

from typing import Any

from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import few_labelled
from disdepth_cli.evaluation.protocols import for_output
from disdepth_cli.exporting.exported import ExportedPredictor
from disdepth_cli.predictor import Predictor
from disdepth_cli.scoring.score import protocol_of, score
from disdepth_cli.working_size import WorkingSize

IMAGES = 200  # at most about so many, spread over all
HEADLINES = ("abs_rel", "rmse", "delta1")


def accuracy_change(
    predictor: Predictor, exported: ExportedPredictor, source: DataSource, size: tuple[int, int]
) -> dict[str, Any] | None:
    """{"images", "predict": {...}, "exported": {...}, "rmse_change": relative}; None where no val image has depth.

    size: (height, width) that whole images are brought to before the exported file takes them.
    """
    if not source.labelled("val"):
        return None
    items = few_labelled(source.items("val"), IMAGES)
    protocol = for_output(protocol_of(source), predictor.kind)
    if exported.about.input == "image":
        exported.working_size = WorkingSize(*size, multiple=1, scale_rule="stretch", pad=False)
    found: dict[str, Any] = {}
    for name, one in (("predict", predictor), ("exported", exported)):
        scores = score(one, source, items, protocol, workers=1)
        found["images"] = len(scores.per_image)
        found[name] = {metric: value for metric, value in scores.mean.as_dict().items() if metric in HEADLINES}
    before, after = found["predict"]["rmse"], found["exported"]["rmse"]
    return found | {"protocol": protocol.as_json(), "rmse_change": after / before - 1}
