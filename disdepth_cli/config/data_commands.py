"""Options of check, pack and demo."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from disdepth_cli.config import option as o
from disdepth_cli.config.base import BaseConfig
from disdepth_cli.config.option import option
from disdepth_cli.config.parts import DATA_HELP
from disdepth_cli.config.types import Bounds, DataLocation, Name


class CheckConfig(BaseConfig):
    """disdepth check."""

    data: Name = option(..., DATA_HELP, level="basic", group=o.DATA)
    sample: int | None = option(
        None,
        "number of images of each split that are read, spread evenly; default: all",
        level="basic",
        group=o.DATA,
        ge=1,
    )
    workers: int = option(2, "threads that read images", level="basic", concerns="machine", group=o.MACHINE, ge=1)
    output: Path = option(
        Path("checks"), "folder for the picture of the depth histogram", level="basic", group=o.DATA, flags=("-o",)
    )
    picture: bool = option(
        True, "write the picture of the depth histogram", level="basic", group=o.DATA, off="--no-picture"
    )


class PackConfig(BaseConfig):
    """disdepth pack."""

    data: DataLocation = option(..., DATA_HELP, level="basic", group=o.DATA)
    output: Path = option(
        ...,
        "new folder for the shards and their index.json",
        level="basic",
        concerns="machine",
        group=o.DATA,
        flags=("-o",),
    )
    depth: Literal["png", "npy"] = option(
        "png",
        "png: 16 bit, steps of 1 / depth-scale metres; 16-bit PNG of the same scale is copied. npy: float16 metres, "
        "precise to 0.05 % (5 mm at 10 m), up to 65504 m",
        level="basic",
        group=o.DATA,
    )
    depth_scale: float | None = option(
        None,
        "for png: stored = metres x depth-scale; default: the data's scale, or 1000 where the depth fits",
        group=o.DATA,
        gt=0,
    )
    size: Bounds | None = option(
        None,
        "shrink larger images to fit into HxW, or to a shorter side. They are stored as JPEG, with a small loss; "
        "default: the images are not changed",
        level="basic",
        group=o.DATA,
    )
    quality: int = option(95, "JPEG quality of shrunk images", group=o.DATA, ge=1, le=100)
    shard_size: float = option(256.0, "largest shard [MB]", level="basic", group=o.DATA, gt=0)
    shard_count: int = option(1000, "most images in a shard", group=o.DATA, ge=1)
    shuffle: bool = option(
        True, "mix training images over the shards; off: keep the data's order", group=o.DATA, off="--no-shuffle"
    )
    seed: int = option(0, "seed of --shuffle", group=o.DATA, ge=0)
    workers: int = option(
        2, "processes that read and encode images", level="basic", concerns="machine", group=o.MACHINE, ge=0
    )
    max_corrupt: int = option(
        10, "number of unreadable files that are skipped before packing ends", concerns="machine", group=o.DATA, ge=0
    )
    resume: bool = option(
        False,
        "continue a packing into this folder that was stopped",
        level="basic",
        concerns="machine",
        group=o.DATA,
    )


class DemoConfig(BaseConfig):
    """disdepth demo."""

    folder: Path = option(Path("demo"), "folder for rooms, runs and pictures", level="basic", group=o.DATA)
    acclimate_steps: int = option(120, "steps of the acclimation", ge=1)
    steps: int = option(200, "steps of student and control", ge=1)
