"""The training views of an image: crops, zooms, flips, colours."""

from __future__ import annotations

from disdepth_cli.config.base import Part
from disdepth_cli.config.option import option
from disdepth_cli.config.types import Size


class AugmentConfig(Part):
    """Training views. A view depends on (seed, epoch, index) alone; teacher and student see the same view."""

    views: int | None = option(
        None,
        "number of different views of an image, which later epochs repeat; default: a new view in every epoch",
        ge=1,
    )
    seed: int | None = option(
        None, "seed of the views alone; default: the run's seed", level="recipe", called="view_seed", ge=0
    )
    crop_size: Size | None = option(
        None,
        "training crop, HxW; default: the working size without the protocol's border, in steps of 32",
        level="recipe",
    )
    flip: float = option(0.5, "probability of a horizontal flip", level="recipe", flag=False, ge=0, le=1)
    scale: float = option(
        1.15,
        "largest zoom factor, in and out; depth is divided by the zoom, the focal length stays",
        level="recipe",
        flag=False,
        ge=1,
        le=4,
    )
    colour_probability: float = option(0.5, "probability of each colour change", level="recipe", flag=False, ge=0, le=1)
    gamma: tuple[float, float] = option((0.9, 1.1), "range of the gamma exponent", level="recipe", flag=False)
    brightness: tuple[float, float] = option((0.75, 1.25), "range of the brightness factor", level="recipe", flag=False)
    colour: tuple[float, float] = option((0.9, 1.1), "range of each channel's factor", level="recipe", flag=False)
    frame: float | None = option(
        None,
        "probability of a painted frame on the student's view; default: 0.5 where the protocol crops a frame "
        "away (NYU), else 0",
        level="recipe",
        flag=False,
        ge=0,
        le=1,
    )
