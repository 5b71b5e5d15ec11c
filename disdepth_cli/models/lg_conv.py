"""LG-Conv: a pretrained convolution with a global branch beside it (DisDepth, section on the local-global convolution).

Known from the paper: the branch is conv-ReLU, average pooling to a very small map, concatenation with a local map,
a few layers, and an attention that brings the global information back to every where. Widths, the gate's form
and the zero start are our reconstruction.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from disdepth_cli.config.types import LGConvOn

PARAMETER_SHARE = 0.05
"""The branches together stay under this share of the encoder's parameters, as far as `MIN_HIDDEN` allows."""
MIN_HIDDEN = (8, 4)
"""Least channels of a branch, and what they fall to where eight would still be too many."""
_PROBE_SIDE = 128  # pixels; the stride of a convolution is read off one probe image of this size


class LGConv(nn.Module):
    """`local(x)` plus a gated, broadcast global summary of x; equal to `local(x)` at the start.

    x (B, C, H, W) -> (B, C', H', W'), with C', H', W' those of `local`.
    """

    def __init__(self, local: nn.Conv2d, hidden: int) -> None:
        super().__init__()
        self.local = local
        self.squeeze = nn.Conv2d(local.in_channels, hidden, 1, stride=(local.stride[0], local.stride[-1]))
        self.gate_hidden = nn.Conv2d(2 * hidden, hidden, 1)
        self.gate = nn.Conv2d(hidden, 1, 1)
        self.broadcast = nn.Conv2d(hidden, local.out_channels, 1, bias=False)
        nn.init.zeros_(self.broadcast.weight)  # so that the pretrained function is unchanged at step 0

    def forward(self, x: Tensor) -> Tensor:
        local = self.local(x)
        u = torch.relu(self.squeeze(x))  # (B, h, H', W')
        g = u.mean(dim=(2, 3), keepdim=True)  # (B, h, 1, 1)
        hidden = torch.relu(self.gate_hidden(torch.cat([u, g.expand_as(u)], dim=1)))
        a = torch.sigmoid(self.gate(hidden))  # (B, 1, H', W'), a spatial gate
        # conv1x1(a * g) = a * conv1x1(g), because a has one channel: the large map is touched once only.
        return local + a * self.broadcast(g)


def insert_lg_convs(encoder: nn.Module, where: LGConvOn) -> list[str]:
    """Wrap the convolutions of `encoder`'s last two stages (strides 16 and 32), in place.

    where: `dense` or `depthwise` convolutions with k >= 3, `all` of them, `none`, or `auto`: depth-wise ones in
    depth-wise backbones, dense ones in the others. Returns the names of the wrapped modules.
    """
    if where == "none":
        return []
    late = _late_convolutions(encoder)
    if where == "auto":
        where = "depthwise" if any(_is_depthwise(conv) for conv in late.values()) else "dense"
    chosen = {
        name: conv for name, conv in late.items() if where == "all" or _is_depthwise(conv) == (where == "depthwise")
    }
    width = _branch_width(list(chosen.values()), sum(p.numel() for p in encoder.parameters()))
    for name, conv in chosen.items():
        parent, _, child = name.rpartition(".")
        setattr(encoder.get_submodule(parent), child, LGConv(conv, width(conv)))
    return list(chosen)


def _is_depthwise(conv: nn.Conv2d) -> bool:
    return conv.groups == conv.in_channels > 1


def _branch_width(convs: list[nn.Conv2d], parameters: int) -> Callable[[nn.Conv2d], int]:
    """max(C / 16, 8) as a rule; narrower while the branches would weigh more than their share."""

    def width(conv: nn.Conv2d, reduction: int, floor: int) -> int:
        return max(conv.in_channels // reduction, floor)

    for floor, reduction in itertools.product(MIN_HIDDEN, (16, 32, 64, 128, 256)):
        added = sum(
            (conv.in_channels + conv.out_channels + 2 * width(conv, reduction, floor)) * width(conv, reduction, floor)
            for conv in convs
        )
        if added <= PARAMETER_SHARE * parameters:
            break
    return partial(width, reduction=reduction, floor=floor)


def _late_convolutions(encoder: nn.Module) -> dict[str, nn.Conv2d]:
    """Convolutions with k >= 3 whose output has stride 16 or 32, by name."""
    strides: dict[str, int] = {}

    def record(name: str, output: Tensor) -> None:
        strides[name] = _PROBE_SIDE // output.shape[-1]

    candidates = {
        name: module
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Conv2d) and min(module.kernel_size) >= 3
    }
    hooks = [
        module.register_forward_hook(lambda _m, _i, output, name=name: record(name, output))
        for name, module in candidates.items()
    ]
    training = encoder.training
    encoder.eval()  # a probe must not move BatchNorm's statistics
    with torch.no_grad():
        encoder(torch.zeros(1, 3, _PROBE_SIDE, _PROBE_SIDE))
    encoder.train(training)
    for hook in hooks:
        hook.remove()
    return {name: candidates[name] for name, stride in strides.items() if stride in (16, 32)}
