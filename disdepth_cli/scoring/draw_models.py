"""Several models on the first val images of a data set, as one picture."""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.data.files.pair import load_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError
from disdepth_cli.outputs.models_panel import models_panel
from disdepth_cli.outputs.pictures import write_image
from disdepth_cli.scoring.open_model import open_model

SHOWN = 4  # images


def draw_models(file: Path, data: Path, models: dict[str, str], judged: str) -> None:
    """Write the picture: a row an image. models: label to MODEL; judged: the label whose error is shown.

    Raises:
        DisdepthError: a model or an image cannot be opened, or an image has no ground truth.
    """
    source = load_source(data)
    predictors = {label: open_model(model, "cpu", "fp32", offline=True) for label, model in models.items()}
    rows = []
    for item in source.items("val")[:SHOWN]:
        image, truth = load_pair(item, source)
        if truth is None:
            raise DataError(f"{source.key(item)}: has no depth to be shown beside the models")
        rows.append((image, truth, {label: one.predict(image) for label, one in predictors.items()}))
    write_image(file, models_panel(rows, judged))
