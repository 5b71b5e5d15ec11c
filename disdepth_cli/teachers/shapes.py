"""Channels, strides and input sizes of a network, from the shapes of its features: its weights may be missing."""

from __future__ import annotations

import torch

from disdepth_cli.errors import TeacherError, first_line
from disdepth_cli.teachers.teacher import TeacherNetwork
from disdepth_cli.types import FeatureSpec

TENSORS_OF_ITS_OWN = torch.device("cpu")
"""Where a forward makes new tensors, also while models are built on the meta device: BEiT keeps its position index in
a cache for all models of the process, and an index without numbers there would spoil every later one in silence."""

UNFIT = (RuntimeError, ValueError, TypeError, AssertionError, IndexError, NotImplementedError)
"""How encoders refuse an image: each has its own way."""


def outline(network: TeacherNetwork, size: tuple[int, int]) -> FeatureSpec:
    """Channels and strides of a network without its weights, which may be on the meta device: shapes only."""
    own = next(network.parameters())
    with torch.no_grad(), TENSORS_OF_ITS_OWN:
        _, features = network(torch.zeros(1, 3, *size, device=own.device))
    return FeatureSpec(
        channels=tuple(feature.shape[1] for feature in features),
        reductions=tuple(max(round(size[0] / feature.shape[2]), 1) for feature in features),
    )


def measure_sizes(
    network: TeacherNetwork, strides: list[int], native: tuple[int, int], name: str
) -> tuple[FeatureSpec, int | None]:
    """Channels and strides of the features, and the number of pixels that sizes are multiples of; None for an encoder
    that takes its native size only.

    timm's own flag, `fixed_input_size`, also covers encoders that only refuse other sizes unless told otherwise; so
    two other sizes are tried. Their token counts are no encoder's own, so none passes by chance.

    Raises:
        TeacherError: it gives no features at its native size either.
    """
    for step in (max(strides), 2 * max(strides)):  # twice, where the coarsest grid must be even (MobileViT v2)
        sizes = ((5 * step, 3 * step), (4 * step, 6 * step))
        try:
            specs = [_look(network, size, strides, exact=True) for size in sizes]
        except UNFIT:
            continue
        if specs[0] == specs[1]:
            return specs[0], step
    try:
        return _look(network, native, strides, exact=False), None
    except UNFIT as error:
        raise TeacherError(
            f"{name}: gives no features for an image of its own size, {native[0]}x{native[1]} ({first_line(error)}); "
            "take another encoder"
        ) from error


def _look(network: TeacherNetwork, size: tuple[int, int], strides: list[int], exact: bool) -> FeatureSpec:
    """Measured channels and strides: the declared ones where the grid is theirs (to a cell unless exact: paddings
    differ), else the nearest whole number.

    Raises:
        ValueError: the features are no maps of the image, or not of the declared strides although exact.
    """
    own = next(network.parameters())
    with torch.no_grad(), TENSORS_OF_ITS_OWN:
        _, features = network.eval()(torch.zeros(1, 3, *size, device=own.device))
    measured = []
    for feature, stride in zip(features, strides, strict=True):
        if feature.ndim != 4:
            raise ValueError(f"a feature of shape {tuple(feature.shape)} is no map")
        grid = feature.shape[2:]
        slack = 0 if exact else 1
        if all(abs(cells - pixels / stride) <= slack for cells, pixels in zip(grid, size, strict=True)):
            measured.append(stride)
            continue
        seen = {max(round(pixels / cells), 1) for cells, pixels in zip(grid, size, strict=True)}
        if exact or len(seen) > 1:
            raise ValueError(f"a feature of {grid[0]}x{grid[1]} is no map of {size[0]}x{size[1]} pixels")
        measured += seen
    return FeatureSpec(channels=tuple(feature.shape[1] for feature in features), reductions=tuple(measured))
