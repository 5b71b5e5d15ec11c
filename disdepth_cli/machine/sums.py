"""Sums over all processes of a run: losses and statistics of several ranks are those of one process with all images.

DDP averages gradients over ranks, so a mean that each rank takes over its own pixels becomes a mean of means: wrong
where the ranks' counts differ. Here numerators and denominators are summed over ranks before they are divided. Every
rank then holds the same, global value. The gradient of its own share is multiplied by the number of ranks, which is
what DDP divides by; so nothing needs to be sent on the way back.

All ranks must make the same calls in the same order. With one process these are the plain means they stand for, to the
byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_alone = False


@contextmanager
def alone() -> Iterator[None]:
    """Meanwhile this process is the only one: nothing is exchanged, and each process may do something else."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def world() -> int:
    """The number of processes that train together; 1 without torch.distributed, and for one that is `alone`."""
    if _alone:
        return 1
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def summed(*values: Tensor) -> tuple[Tensor, ...]:
    """Scalars -> their float32 sums over all ranks, in one exchange; differentiable as said above."""
    return _Sum.apply(torch.stack([value.float() for value in values])).unbind()


def mean(values: Tensor) -> Tensor:
    """The mean over the elements of all ranks; 0, and without effect, where there is none in several ranks."""
    if world() == 1:
        return values.mean()
    total, count = summed(values.float().sum(), values.new_full((), float(values.numel()), dtype=torch.float32))
    return total / count.clamp(min=1.0)


def ratio(numerator: Tensor, denominator: Tensor, least: float) -> Tensor:
    """Sum of numerators over sum of denominators, the latter at least `least`; both scalars."""
    if world() > 1:
        numerator, denominator = summed(numerator, denominator)
    return numerator / denominator.clamp(min=least)


@torch.no_grad()
def channel_moments(features: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """(variance, mean), each (C,) float32, of every feature map (B, C, h, w) over the images of all ranks."""
    own = [torch.var_mean(feature.detach().float(), dim=(0, 2, 3), unbiased=False) for feature in features]
    if world() == 1:
        return own
    sums = []
    for feature, (var, average) in zip(features, own, strict=True):
        count, var, average = feature.numel() / feature.shape[1], var.double(), average.double()
        sums.append(torch.stack([torch.full_like(average, count), count * average, count * (var + average.square())]))
    total = torch.cat(sums, dim=1)  # float64: the difference of squares below would lose float32's digits
    dist.all_reduce(total)
    moments = []
    for count, first, second in (part.unbind() for part in total.split([len(var) for var, _ in own], dim=1)):
        average = first / count
        moments.append(((second / count - average.square()).clamp(min=0).float(), average.float()))
    return moments


class _Sum(torch.autograd.Function):
    """All-reduce whose gradient is the local one times the number of ranks, since all ranks go on alike from here."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * world()
