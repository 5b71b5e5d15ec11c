"""Batch normalisation multiplied into the convolution before it, for prediction: the same function, fewer layers."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from disdepth_cli.models.lg_conv import LGConv

if TYPE_CHECKING:
    from disdepth_cli.models.student import DepthStudent

Model = TypeVar("Model", bound="DepthStudent")
_SIDE = 64  # pixels of the probe image
_TOLERANCE = 1e-9  # of the largest depth, in float64


@torch.no_grad()
def without_norms(student: Model) -> Model:
    """A copy for prediction, on the CPU, in which each BatchNorm that follows a convolution is part of it.

    The arithmetic is float64, so the copy's depth differs by float32 rounding alone. A probe image shows which norm
    follows which convolution. Where the copy is not the same function, as when a convolution's output is used a second
    time, the student itself comes back.
    """
    exact = copy.deepcopy(student).cpu().double().eval().requires_grad_(False)
    exact.decoder.head.for_prediction = True
    exact.warned = True  # the probe is small, and what runs the copy brings images to size
    probe = torch.rand(1, 3, _SIDE, _SIDE, generator=torch.Generator().manual_seed(0)).double()
    wanted = exact(probe).depth
    names = {module: name for name, module in exact.named_modules()}
    for norm, conv in _followed(exact, probe).items():
        _fold(conv, norm)
        parent, _, child = names[norm].rpartition(".")
        setattr(exact.get_submodule(parent), child, _what_remains(norm))
    if (exact(probe).depth - wanted).abs().max() > _TOLERANCE * wanted.abs().max():
        return student
    return exact.float()


def _followed(model: nn.Module, probe: Tensor) -> dict[nn.BatchNorm2d, nn.Conv2d | LGConv]:
    """Norm to the convolution whose output it takes, where both are called once."""
    made: dict[int, tuple[nn.Conv2d | LGConv, Tensor]] = {}  # holds the tensor: the id of a freed one is used again
    found: dict[nn.BatchNorm2d, nn.Conv2d | LGConv] = {}
    calls: dict[nn.Module, int] = {}

    def after_conv(module: Any, _: Any, output: Tensor) -> None:
        calls[module] = calls.get(module, 0) + 1
        made[id(output)] = (module, output)

    def before_norm(norm: Any, inputs: tuple[Tensor, ...]) -> None:
        calls[norm] = calls.get(norm, 0) + 1
        if id(inputs[0]) in made:
            found[norm] = made[id(inputs[0])][0]

    hooks = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d | LGConv):
            hooks.append(module.register_forward_hook(after_conv))
        elif isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
            hooks.append(module.register_forward_pre_hook(before_norm))
    model(probe)
    for hook in hooks:
        hook.remove()
    return {norm: conv for norm, conv in found.items() if calls[norm] == calls[conv] == 1}


def _fold(conv: nn.Conv2d | LGConv, norm: nn.BatchNorm2d) -> None:
    """Scale and shift what the convolution gives as the norm would."""
    assert norm.running_mean is not None and norm.running_var is not None
    statistics = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    if isinstance(conv, LGConv):  # local(x) + a * broadcast(g): both are scaled, the sum is shifted once
        conv.broadcast.weight, _ = fuse_conv_bn_weights(conv.broadcast.weight, None, *statistics)
        conv = conv.local
    conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *statistics)


def _what_remains(norm: nn.BatchNorm2d) -> nn.Module:
    """timm's BatchNormAct2d has a drop layer and an activation of its own; others leave nothing."""
    rest = [part for part in (getattr(norm, name, None) for name in ("drop", "act")) if isinstance(part, nn.Module)]
    return nn.Sequential(*(part for part in rest if not isinstance(part, nn.Identity)))
