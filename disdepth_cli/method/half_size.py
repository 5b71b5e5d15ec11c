"""The first steps of a run at half the size: a quarter of the cost, and the coarse things are learned first.

Known as progressive resizing. Ours is that teacher and targets stay at full size: what the student makes of the small
image is enlarged to be compared with them.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor
from torch.nn import functional as F

from disdepth_cli.models.encoder import REDUCTIONS
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.types import DepthOutput, FeatureMaps


def half_size_look(student: DepthStudent, image: Tensor) -> DepthOutput:
    """What `student` makes of the image at about half its sides, on the grids that the whole image would have.

    image (B, 3, H, W) RGB in [0, 1], H and W multiples of 32.
    """
    height, width = image.shape[-2:]
    small = F.interpolate(image, size=(_half(height), _half(width)), mode="bilinear", antialias=True)
    output: DepthOutput = student(small)
    assert output.depth is not None and output.decoder is not None
    strides = student.encoder.spec.reductions

    def enlarged(features: FeatureMaps) -> FeatureMaps:
        grids = [(height // stride, width // stride) for stride in strides]
        return [_resized(feature, grid) for feature, grid in zip(features, grids, strict=True)]

    return replace(
        output,
        depth=_resized(output.depth, (height, width)),
        features=enlarged(output.features),
        decoder=replace(output.decoder, levels=enlarged(output.decoder.levels)),
    )


def _half(side: int) -> int:
    """Half of a side [pixels], rounded to a multiple of the coarsest stride."""
    stride = REDUCTIONS[-1]
    return max(round(side / 2 / stride), 1) * stride


def _resized(feature: Tensor, grid: tuple[int, int]) -> Tensor:
    return F.interpolate(feature, size=grid, mode="bilinear", align_corners=False)
