"""Options of check, pack and demo: what is done with a data set, and the whole path on a rendered one."""

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
        "look at so many images of each split only, spread evenly; lists are read in full",
        level="basic",
        group=o.DATA,
        ge=1,
    )
    workers: int = option(2, "threads that read images", level="basic", concerns="machine", group=o.MACHINE, ge=1)
    output: Path = option(
        Path("checks"), "folder for the picture of the depth histogram", level="basic", group=o.DATA, flags=("-o",)
    )
    picture: bool = option(True, "write that picture", level="basic", group=o.DATA, off="--no-picture")


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
        "png: 16 bit, steps of 1 / depth-scale metres (16-bit PNG of the same scale is copied as it is); npy: float16 "
        "metres, precise to 0.05 % (5 mm at 10 m), up to 65504 m",
        level="basic",
        group=o.DATA,
    )
    depth_scale: float | None = option(
        None,
        "stored = metres x this, for png; default: the data's, or 1000 if its depth fits",
        group=o.DATA,
        gt=0,
    )
    size: Bounds | None = option(
        None,
        "make larger images smaller: HxW they must fit in, or their shorter side; stored as JPEG, which loses a "
        "little; default: byte for byte",
        level="basic",
        group=o.DATA,
    )
    quality: int = option(95, "JPEG quality of images that are made smaller", group=o.DATA, ge=1, le=100)
    shard_size: float = option(256.0, "largest shard [MB]", level="basic", group=o.DATA, gt=0)
    shard_count: int = option(1000, "most images in a shard", group=o.DATA, ge=1)
    shuffle: bool = option(
        True, "mix training images over the shards; off: in the data's order", group=o.DATA, off="--no-shuffle"
    )
    seed: int = option(0, "seed of that mix", group=o.DATA, ge=0)
    workers: int = option(
        2, "processes that read and encode images", level="basic", concerns="machine", group=o.MACHINE, ge=0
    )
    max_corrupt: int = option(
        10, "unreadable files that are skipped before giving up", concerns="machine", group=o.DATA, ge=0
    )
    resume: bool = option(
        False,
        "go on where a packing into this folder was stopped",
        level="basic",
        concerns="machine",
        group=o.DATA,
    )


class DemoConfig(BaseConfig):
    """disdepth demo."""

    folder: Path = option(Path("demo"), "folder for rooms, runs and pictures", level="basic", group=o.DATA)
    acclimate_steps: int = option(120, "steps of the acclimation", ge=1)
    steps: int = option(200, "steps of student and control", ge=1)
