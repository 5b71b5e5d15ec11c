"""Depth of several models on several images, side by side in one colour scale an image: as one picture.

    python benchmarks/model_panel.py OUT.jpg --model bundled --model TEACHER [--no-image] IMAGE...

Leave the images themselves out where they are not yours to show.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from disdepth_cli.data.files.images import read_image
from disdepth_cli.depth.colours import colourise
from disdepth_cli.outputs.pictures import Row, panel, write_image
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.scoring.open_model import open_model
from disdepth_cli.working_size import resize_image

SHOWN = (240, 320)  # height and width of a picture [pixels]


def main(
    out: Annotated[Path, typer.Argument(help="PNG or JPEG to write")],
    images: Annotated[list[Path], typer.Argument(help="images")],
    model: Annotated[list[str], typer.Option(help="student, acclimated run or teacher; may be repeated")],
    show_image: Annotated[bool, typer.Option("--image/--no-image", help="show the images themselves too")] = True,
) -> None:
    """Write the picture: a row an image."""
    predictors = {Path(name).name: open_model(name, offline=True) for name in model}
    write_image(out, panel([_row(predictors, image, show_image) for image in images]))


def _row(predictors: dict[str, DepthPredictor], image: Path, show_image: bool) -> Row:
    """Every depth in the colours of the first model's range."""
    rgb = read_image(image)
    depths = {name: predictor.predict(rgb) for name, predictor in predictors.items()}
    low, high = np.percentile(next(iter(depths.values())), (2, 98))
    row: Row = [(image.stem, resize_image(rgb, SHOWN))] if show_image else []
    for name, depth in depths.items():
        near, far = np.percentile(depth, (2, 98))
        picture = resize_image(colourise(depth, low=low, high=high), SHOWN)
        row.append((f"{image.stem}, {name}: {near:.1f} to {far:.1f} m", picture))
    return row


if __name__ == "__main__":
    typer.run(main)
