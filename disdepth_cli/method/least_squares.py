"""A random backbone's start from the acclimated features: block after block, by least squares, without a gradient.

Ours. A residual block that ends in convolution and batch norm is linear in what it has computed so far. So with all of
it random but that last convolution, ridge regression finds the one with which the block's output is nearest to the
acclimated features of its stride. The next block starts from there. Half a minute of it tells a random backbone about
as much of the teacher's features as hundreds of steps of training do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from disdepth_cli.method.ridge import ridge_solution, with_one
from disdepth_cli.models.encoder import Encoder
from disdepth_cli.models.lg_conv import LGConv
from disdepth_cli.types import FeatureMaps

RIDGES = (1e-2, 1e-1, 1.0, 10.0)  # of the mean variance of a block's inputs; the best on held-out batches is taken
HELD_OUT = 5  # one batch in so many
PIXELS = 20_000_000  # of the images that are looked at, at most: their maps are held, some 100 bytes a pixel
ROWS = 46_000  # positions that count, at most, spread evenly; more of the finest levels tell little
LIFT = 1.0  # standard deviations that a target is lifted by where a ReLU follows

TAILS = (("conv_pwl", "bn3", None), ("conv3", "bn3", "act3"), ("conv2", "bn2", "act2"))
"""How timm names the last convolution and norm of a residual block, and the activation behind their sum."""


@dataclass
class Tail:
    """The last convolution of a block with its norm; those of its shortcut, where it has any; and the activation behind
    their sum."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d
    side: tuple[nn.Conv2d, nn.BatchNorm2d] | None
    rectified: nn.Module | None


@torch.no_grad()
def start_by_least_squares(encoder: Encoder, pairs: Iterable[tuple[Tensor, FeatureMaps]]) -> list[float]:
    """Start `encoder` at features near the wanted ones; returns what share of their variance it explains, by level.

    pairs: normalised images (B, 3, H, W), and wanted features on the encoder's own grids and channels, standardised.
    The shares, at most 1, are of held-out batches. Nothing is changed, and no share returned, where the network is not
    a chain of blocks of a known kind.
    """
    maps, wanted = _as_many_as_fit(pairs)
    chain = list(_chain(encoder.net))
    if len(maps) < HELD_OUT or not _is_chain(encoder, chain, maps[0]):
        return []
    encoder.net.train()
    reached = {stride: 0.0 for stride in encoder.spec.reductions}
    height, most = maps[0].shape[-2], ROWS // len(maps)
    for block in chain:
        tail = _tail(block)
        if tail is None:
            _move_on(maps, block)
            continue
        seen = [_watch(block, tail, x, most) for x in maps]
        stride = height // seen[0].height
        if stride in reached:
            goals = [features[encoder.spec.reductions.index(stride)] for features in wanted]
            share = _fit(tail, seen, goals, most)
            reached[stride] = reached[stride] if share is None else share
        _move_on(maps, block)
    return list(reached.values())


def _as_many_as_fit(pairs: Iterable[tuple[Tensor, FeatureMaps]]) -> tuple[list[Tensor], list[FeatureMaps]]:
    """The first images and their wanted features, up to PIXELS; of each batch no more than its share of HELD_OUT."""
    images: list[Tensor] = []
    wanted: list[FeatureMaps] = []
    left = PIXELS
    for image, features in pairs:
        height, width = image.shape[-2:]
        share = max(PIXELS // HELD_OUT // (height * width), 1)
        images.append(image[:share])
        wanted.append([feature[:share] for feature in features])
        left -= len(images[-1]) * height * width
        if left <= 0 and len(images) >= HELD_OUT:
            break
    return images, wanted


def _move_on(maps: list[Tensor], block: nn.Module) -> None:
    """Send every map through a block, in place: the memory of one list, not of two."""
    for index in range(len(maps)):
        maps[index] = block(maps[index])


def _chain(net: nn.Module) -> Iterator[nn.Module]:
    """The blocks of a timm feature network, in order; containers are opened."""
    for child in net.children():
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from _chain(child)
        else:
            yield child


def _is_chain(encoder: Encoder, chain: list[nn.Module], image: Tensor) -> bool:
    """Whether the blocks one after the other are the whole network, and any of them can be fitted."""
    if not any(_tail(block) for block in chain):
        return False
    was = encoder.net.training
    encoder.net.eval()
    x = image[:1]
    try:
        last = encoder(x)[-1]
        for block in chain:
            x = block(x)
    except (TypeError, RuntimeError):  # a block that takes something else
        return False
    finally:
        encoder.net.train(was)
    return x.shape == last.shape and torch.allclose(x, last, atol=1e-5)


def _tail(block: nn.Module) -> Tail | None:
    for conv_name, norm_name, act_name in TAILS:
        conv, norm = getattr(block, conv_name, None), getattr(block, norm_name, None)
        act = getattr(block, act_name, None) if act_name else None
        conv = conv.local if isinstance(conv, LGConv) else conv  # the branch beside it is zero at the start
        if not (isinstance(conv, nn.Conv2d) and conv.groups == 1 and conv.bias is None):
            continue
        if isinstance(norm, nn.BatchNorm2d) and isinstance(act, nn.Module | None):
            return Tail(conv, norm, _side(block), act) if (act is None) == (act_name is None) else None
    return None


def _side(block: nn.Module) -> tuple[nn.Conv2d, nn.BatchNorm2d] | None:
    layers = getattr(block, "downsample", None)
    if isinstance(layers, nn.Sequential) and len(layers) == 2:
        conv, norm = layers
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            return conv, norm
    return None


@dataclass
class _Seen:
    """Of a batch, at the positions that count: inputs (rows, N) of the convolutions that are solved for, the last one's
    first, and shortcut (rows, C), what else is added; height of the block's output."""

    inputs: Tensor
    shortcut: Tensor
    height: int


def _watch(block: nn.Module, tail: Tail, x: Tensor, most: int) -> _Seen:
    """What one batch x shows of a block; of its positions at most about `most`."""
    caught: dict[str, Tensor] = {}
    hooks = [
        tail.conv.register_forward_pre_hook(lambda _, given: caught.__setitem__("before", given[0].clone())),
        tail.norm.register_forward_hook(lambda _, given, out: caught.__setitem__("after", out.clone())),
    ]
    if tail.rectified is not None:
        hooks.append(
            tail.rectified.register_forward_pre_hook(lambda _, given: caught.__setitem__("sum", given[0].clone()))
        )
    out = block(x.clone())  # some blocks work in place
    for hook in hooks:
        hook.remove()
    inputs = _patches(caught["before"], tail.conv, most)
    shortcut = _rows(caught.get("sum", out) - caught["after"], most)
    if tail.side is not None:
        inputs = torch.cat([inputs, _patches(x, tail.side[0], most)], dim=1)
        shortcut = torch.zeros_like(shortcut)
    return _Seen(inputs, shortcut, out.shape[-2])


def _fit(tail: Tail, seen: list[_Seen], goals: list[Tensor], most: int) -> float | None:
    """Solve for a block's last layers; the share of the goals' variance that is explained on held-out batches."""
    count = tail.conv.out_channels
    if count > goals[0].shape[1]:
        return None
    rows = [_rows(goal, most) for goal in goals]
    basis = _principal(rows, count)
    lift = 0.0 if tail.rectified is None else LIFT
    aims = [row @ basis + lift for row in rows]
    inputs = [one.inputs for one in seen]
    wanted = [aim - one.shortcut for aim, one in zip(aims, seen, strict=True)]
    weights, explained = _best_ridge(inputs, wanted, aims)
    if explained <= 0:  # too few images for so many unknowns: random is better than wrong
        return None
    everything = torch.cat(inputs)
    split = tail.conv.weight[0].numel()
    _set(tail.conv, tail.norm, everything[:, :split], weights[:split], weights[-1])
    if tail.side is not None:
        _set(*tail.side, everything[:, split:], weights[split:-1], torch.zeros_like(weights[-1]))
    return explained


def _principal(goals: list[Tensor], count: int) -> Tensor:
    """Of goals (rows, C), (C, count): as they are for as many channels, else their `count` principal directions."""
    channels = goals[0].shape[1]
    if count == channels:
        return torch.eye(channels)
    rows = torch.cat(goals)
    _, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
    return vectors.flip(1)[:, :count]


def _best_ridge(inputs: list[Tensor], wanted: list[Tensor], aims: list[Tensor]) -> tuple[Tensor, float]:
    """Weights (N + 1, C), the last row a bias, and the share of the aims' variance explained on held-out batches."""
    held_out = range(0, len(inputs), HELD_OUT)
    unknowns = inputs[0].shape[1] + 1
    gram = inputs[0].new_zeros(unknowns, unknowns, dtype=torch.double)
    product = inputs[0].new_zeros(unknowns, wanted[0].shape[1], dtype=torch.double)
    for index, (x, y) in enumerate(zip(inputs, wanted, strict=True)):
        if index not in held_out:
            x = with_one(x)
            gram += x.T @ x
            product += x.T @ y
    truth = torch.cat([aims[index] for index in held_out])
    variance = (truth - truth.mean(dim=0)).square().sum()
    best: tuple[Tensor, float] | None = None
    for ridge in RIDGES:
        weights = ridge_solution(gram, product, ridge).to(wanted[0].dtype)
        error = sum((with_one(inputs[index]) @ weights - wanted[index]).square().sum() for index in held_out)
        share = float(1 - error / variance)
        if best is None or share > best[1]:
            best = weights, share
    assert best is not None
    return best


def _set(conv: nn.Conv2d, norm: nn.BatchNorm2d, inputs: Tensor, weights: Tensor, bias: Tensor) -> None:
    """Make convolution and norm give inputs @ weights + bias.

    The convolution keeps the norm it had, and with it what the learning rate means.
    """
    outputs = inputs @ weights
    mean, deviation = outputs.mean(dim=0), outputs.std(dim=0).clamp(min=1e-3)
    kernel = weights.T.reshape(conv.weight.shape)
    factor = float(conv.weight.norm()) / max(float(kernel.norm()), 1e-12)
    conv.weight.copy_(kernel * factor)
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(mean * factor)
    norm.running_var.copy_((deviation * factor).square())
    norm.weight.copy_(deviation)
    norm.bias.copy_(mean + bias)


def _patches(x: Tensor, conv: nn.Conv2d, most: int) -> Tensor:
    """(B, C, h, w) -> (rows, C k k): what a convolution sees at the positions that count."""
    if conv.kernel_size == (1, 1):
        down, across = conv.stride
        return _rows(x[..., ::down, ::across], most)
    assert isinstance(conv.padding, tuple)
    seen = F.unfold(x, conv.kernel_size, conv.dilation, conv.padding, conv.stride)
    how = zip(x.shape[-2:], conv.kernel_size, conv.stride, conv.padding, conv.dilation, strict=True)
    grid = [(side + 2 * padding - dilation * (size - 1) - 1) // step + 1 for side, size, step, padding, dilation in how]
    return _rows(seen.view(len(x), -1, *grid), most)


def _rows(feature: Tensor, most: int) -> Tensor:
    """(B, C, h, w) -> (rows, C) float32: at most about so many positions, the same of every map of that size.

    On the CPU: some accelerators have no float64 to solve in.
    """
    rows = feature.float().movedim(1, -1).reshape(-1, feature.shape[1])
    return rows[:: max(len(rows) // most, 1)].clone().cpu()  # a view would hold them all
