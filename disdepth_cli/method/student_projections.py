"""Translation of a backbone's features into the acclimated ones, which costs the finished student nothing.

Ours: a conv1x1 a level behind the backbone, started by least squares. The decoder, which starts from the ghost's
weights, then meets features it understands from the first step on. After training it is multiplied into the decoder's
lateral conv1x1, so the student that ships has the layers of one that was trained without.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from disdepth_cli.method.ridge import ridge_solution, with_one
from disdepth_cli.models.encoder import Encoder
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.types import FeatureMaps

RIDGE = 1e-2  # of the mean variance of a level's channels


class AdaptedEncoder(Encoder):
    """image (B, 3, H, W) normalised -> features of `encoder`, each level through its conv1x1; channels as they were."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder.net, encoder.spec)
        self.adapters = nn.ModuleList(nn.Conv2d(channels, channels, 1) for channels in encoder.spec.channels)

    def forward(self, image: Tensor) -> FeatureMaps:
        return [adapter(feature) for adapter, feature in zip(self.adapters, super().forward(image), strict=True)]

    @torch.no_grad()
    def fit(self, pairs: Iterable[tuple[FeatureMaps, FeatureMaps]]) -> None:
        """Start the adapters at the ridge regression of (the bare encoder's features, the wanted ones)."""
        levels = range(len(self.adapters))
        grams: list[Tensor | float] = [0.0 for _ in levels]
        products: list[Tensor | float] = [0.0 for _ in levels]
        for student_maps, teacher_maps in pairs:
            for level in levels:
                x, y = _rows(student_maps[level]), _rows(teacher_maps[level])
                x = with_one(x)
                grams[level] = grams[level] + x.T @ x / len(x)
                products[level] = products[level] + x.T @ y / len(x)
        for adapter, gram, product in zip(self.adapters, grams, products, strict=True):
            assert isinstance(adapter, nn.Conv2d) and isinstance(gram, Tensor) and isinstance(product, Tensor)
            weight = ridge_solution(gram, product, RIDGE)
            adapter.weight.copy_(weight[:-1].T[:, :, None, None])
            if adapter.bias is not None:
                adapter.bias.copy_(weight[-1])


@torch.no_grad()
def folded(student: DepthStudent) -> DepthStudent:
    """The same function without adapters: each is multiplied into the lateral convolution that follows it.

    A student without adapters comes back as it is; one with them is copied. Exact up to rounding in evaluation mode.
    """
    if not isinstance(student.encoder, AdaptedEncoder):
        return student
    plain = copy.deepcopy(student)
    encoder = plain.encoder
    assert isinstance(encoder, AdaptedEncoder)
    for adapter, lateral in zip(encoder.adapters, plain.decoder.lateral, strict=True):
        assert isinstance(adapter, nn.Conv2d) and adapter.bias is not None and isinstance(lateral, nn.Sequential)
        conv, norm = lateral
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None
        # In float64, and on the CPU: some accelerators have none.
        weight, adapted = conv.weight[:, :, 0, 0].cpu().double(), adapter.weight[:, :, 0, 0].cpu().double()
        norm.running_mean -= (weight @ adapter.bias.cpu().double()).to(norm.running_mean)
        conv.weight.copy_((weight @ adapted).to(conv.weight)[:, :, None, None])
    plain.encoder = Encoder(encoder.net, encoder.spec)
    return plain


def _rows(feature: Tensor) -> Tensor:
    """(B, C, h, w) -> (B h w, C), float64 on the CPU: some accelerators have none."""
    return feature.detach().movedim(1, -1).reshape(-1, feature.shape[1]).cpu().double()
