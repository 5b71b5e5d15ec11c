"""A deliberately simple decoder: lateral 1x1, top-down sums, one 3x3 a level, and the bin heads.

It is built from a `FeatureSpec` and never sees an encoder. So the ghost decoder of a teacher is a plain copy of it.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from disdepth_cli.models.heads import BinHead
from disdepth_cli.types import DecoderOutput, FeatureMaps, FeatureSpec


class DepthDecoder(nn.Module):
    """`FeatureMaps` of `spec` -> depth (B, 1, h, w) [m] at the finest level's stride, with levels and bins."""

    def __init__(self, spec: FeatureSpec, channels: int, bins: int, min_depth: float, max_depth: float) -> None:
        super().__init__()
        self.spec = spec
        self.channels = channels
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, channels, 1, bias=False), nn.BatchNorm2d(channels)) for c in spec.channels
        )
        self.fuse = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
            for _ in spec.channels
        )
        self.head = BinHead(channels, bins, min_depth, max_depth)

    def forward(self, features: FeatureMaps) -> DecoderOutput:
        levels: FeatureMaps = []
        above: Tensor | None = None
        for lateral, fuse, feature in zip(reversed(self.lateral), reversed(self.fuse), reversed(features), strict=True):
            x = lateral(feature)
            if above is not None:
                x = x + F.interpolate(above, size=x.shape[-2:], mode="bilinear", align_corners=False)
            above = fuse(x)
            levels.insert(0, above)
        depth, logits, centres = self.head(levels[0], levels[-1])
        return DecoderOutput(depth=depth, levels=levels, bin_logits=logits, bin_centres=centres)
