"""The picture of a model card: images beside what the student makes of them, each with its scale."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from disdepth_cli.checkpoint.metadata import CheckpointMetadata
from disdepth_cli.data.files.images import read_image
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.depth.colours import colourise
from disdepth_cli.errors import ConfigError
from disdepth_cli.outputs.card.text import PictureKind
from disdepth_cli.outputs.pictures import metre_labels, panel, scale_bar
from disdepth_cli.predictor import Predictor
from disdepth_cli.working_size import resize_image

METRIC = "metric_depth"
WIDTH = 448  # pixels of one image
FROM_DATA = 3
SAMPLE = Path(__file__).parents[2] / "assets" / "room.jpg"
"""Room 7 of `python -m disdepth_cli.demo.rooms DIR --count 12 --size 240x320 --seed 7`."""

INDOORS = 25.0  # m; the sample is a room: a student that reaches farther was made for other places


def picture_images(
    given: Sequence[Path], from_data: bool, run_config: dict[str, Any] | None, metadata: CheckpointMetadata
) -> tuple[PictureKind | None, list[np.ndarray]]:
    """The images (H, W, 3) uint8 RGB to show, and where they are from; none where nothing fits.

    Images that were given come first; those of the data are taken only on demand, since they may not be anybody's to
    publish; otherwise a rendered room stands in, for a student of rooms.

    Raises:
        DataError: an image or the data cannot be read.
        ConfigError: both were asked for, or the data is not known.
    """
    if given and from_data:
        raise ConfigError("--picture-from-data: contradicts --picture; give one of them")
    if given:
        return "given", [read_image(path) for path in given]
    if from_data:
        if not run_config or not isinstance(run_config.get("data"), str):
            raise ConfigError("--picture-from-data: the source names no data; give its run folder, or --picture IMAGE")
        items = load_source(Path(run_config["data"])).items("val")
        chosen = np.linspace(0, len(items) - 1, min(FROM_DATA, len(items))).round().astype(int)
        return "data", [read_image(items[index].image) for index in chosen]
    if metadata.output_kind == METRIC and metadata.max_depth > INDOORS:
        return None, []
    return "sample", [read_image(SAMPLE)]


def draw_picture(images: Sequence[np.ndarray], predictor: Predictor, kind: str) -> bytes:
    """A PNG of rows `image | prediction with a scale bar`; the file carries no text, so no name and no place.

    kind: what the predictions are: metric_depth [m], disparity or relative_depth.
    """
    rows = []
    for image in images:
        depth = predictor.predict(image)
        low, high = (float(value) for value in np.percentile(depth, (2, 98)))
        size = (round(image.shape[0] * WIDTH / image.shape[1]), WIDTH)
        bar = scale_bar(WIDTH, _labels(kind, low, high))
        colour = resize_image(colourise(depth, low=low, high=high, valid=np.isfinite(depth)), size)
        below = np.full_like(bar, 255)
        title = "depth [m]" if kind == METRIC else f"{kind.replace('_', ' ')}, no unit"
        rows.append((("image", np.vstack([resize_image(image, size), below])), (title, np.vstack([colour, bar]))))
    stream = io.BytesIO()
    Image.fromarray(panel(rows)).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def _labels(kind: str, low: float, high: float) -> list[str]:
    """What stands below the colours: metres, or the direction alone where there is no unit."""
    if kind == METRIC:
        return metre_labels(low, high, WIDTH)
    return ["far", "near"] if kind == "disparity" else ["near", "far"]
