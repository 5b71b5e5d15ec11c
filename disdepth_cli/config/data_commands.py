"""Options of check and pack: what is done with a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from disdepth_cli.config.base import BaseConfig
from disdepth_cli.config.types import AbsoluteDataPlace, Bounds, Name


class CheckConfig(BaseConfig):
    """disdepth check."""

    data: Name = Field(description="data.yaml, folder with rgb/ and depth/, folder of images, or shards")
    sample: int | None = Field(
        None, ge=1, description="look at so many images of each split only, spread evenly; lists are read in full"
    )
    workers: int = Field(2, ge=1, description="threads that read images")
    output: Path = Field(Path("checks"), description="folder for the picture of the depth histogram")
    picture: bool = Field(True, description="write that picture")


class PackConfig(BaseConfig):
    """disdepth pack."""

    data: AbsoluteDataPlace = Field(description="data.yaml, folder with rgb/ and depth/, folder of images, or shards")
    output: Path = Field(description="new folder for the shards and their index.json")
    depth: Literal["png", "npy"] = Field(
        "png",
        description="png: 16 bit, steps of 1 / depth-scale metres (16-bit PNG of the same scale is copied as it is); "
        "npy: float16 metres, precise to 0.05 % (5 mm at 10 m), up to 65504 m",
    )
    depth_scale: float | None = Field(
        None, gt=0, description="stored = metres x this, for png; default: the data's, or 1000 if its depth fits"
    )
    size: Bounds | None = Field(
        None,
        description="make larger images smaller: HxW they must fit in, or their shorter side; stored as JPEG, which "
        "loses a little; default: byte for byte",
    )
    quality: int = Field(95, ge=1, le=100, description="JPEG quality of images that are made smaller")
    shard_size: float = Field(256.0, gt=0, description="largest shard [MB]")
    shard_count: int = Field(1000, ge=1, description="most images in a shard")
    shuffle: bool = Field(True, description="mix training images over the shards; off: in the data's order")
    seed: int = Field(0, ge=0, description="seed of that mix")
    workers: int = Field(2, ge=0, description="processes that read and encode images")
    max_corrupt: int = Field(10, ge=0, description="unreadable files that are skipped before giving up")
    resume: bool = Field(False, description="go on where a packing into this folder was stopped")
