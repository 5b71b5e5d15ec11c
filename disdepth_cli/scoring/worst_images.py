"""The images a model is worst at, drawn with their errors. Only these are predicted once more and kept in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.data.batches.loader import EvalDataset
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.images import read_image
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.evaluation.metrics import in_metres, scored_pixels
from disdepth_cli.evaluation.protocols import Protocol
from disdepth_cli.evaluation.resizing import resized
from disdepth_cli.files import disk_errors
from disdepth_cli.outputs.error_panel import Comparison, compare
from disdepth_cli.outputs.naming import output_stems
from disdepth_cli.outputs.pictures import write_image
from disdepth_cli.predictor import Predictor
from disdepth_cli.scoring.score import Scores
from disdepth_cli.scoring.summary import row

SHOWN = ("abs_rel", "rmse", "silog", "delta1")


def worst_keys(scores: Scores, count: int, metric: str) -> list[str]:
    """The `count` images with the worst value of a metric, the worst first; equal ones in the data's order."""
    sign = 1 if metric.startswith("delta") else -1
    values = {key: sign * float(row(scores, key)[metric] or 0) for key in scores.per_image}
    return sorted(values, key=lambda key: values[key])[:count]


def draw_worst(
    predictor: Predictor,
    source: DataSource,
    items: Mapping[str, DataItem],
    protocol: Protocol,
    scores: Scores,
    count: int,
    metric: str,
    folder: Path,
) -> list[dict[str, Any]]:
    """Write `01_<name>.png`, ... of the worst images; what they are, the worst first.

    Raises:
        DisdepthError: the folder cannot be written.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    keys = worst_keys(scores, count, metric)
    drawn = []
    for rank, (key, stem) in enumerate(zip(keys, output_stems([Path(key) for key in keys]), strict=True), start=1):
        values = row(scores, key)
        figures = "   ".join(f"{name} {values[name]:.3f}" for name in dict.fromkeys((metric, *SHOWN)))
        unit = f"scored: {100 * scores.details[key].share:.0f} % of the crop's pixels"
        aligned = "" if protocol.align == "none" else f"   align {protocol.align}"
        lines = [f"{rank}. worst of {len(scores.per_image)} by {metric}: {key}", f"{figures}   {unit}{aligned}"]
        file = folder / f"{rank:02d}_{stem}.png"
        write_image(file, compare(_look(predictor, source, items[key], protocol), lines))
        drawn.append({"image": key, metric: values[metric], "file": str(file)})
    return drawn


def _look(predictor: Predictor, source: DataSource, item: DataItem, protocol: Protocol) -> Comparison:
    """The image, its ground truth, and the prediction as it was scored."""
    loaded = EvalDataset([item], source, predictor.working_size, predictor.origins)[0]
    truth = loaded.depth
    assert truth is not None  # it was scored
    predicted = predictor.predict_fitted(loaded.image, loaded.placement, protocol.tta, loaded.origin)
    valid = scored_pixels(truth, protocol)
    full = resized(predicted, (truth.shape[0], truth.shape[1]), protocol.resize).astype(np.float64)
    metres = in_metres(full, truth, protocol, predictor.kind, valid)
    return Comparison(read_image(item.image), truth, metres, valid, protocol.crop_box(*truth.shape))
