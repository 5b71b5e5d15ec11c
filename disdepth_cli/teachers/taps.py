"""Where a model's features are picked up: its own forward runs once, and what passes two of its modules is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from disdepth_cli.types import FeatureMaps


@dataclass
class Seen:
    """One forward. output (B, h, w): the model's numbers, before `Architecture.finish`; encoder: the encoder's
    features (B, C_i, h_i, w_i); neck: the fused ones, finest first."""

    output: Tensor
    encoder: FeatureMaps
    neck: FeatureMaps


def recorded(encoder: str, fused: str) -> Callable[[Any, Tensor], Seen]:
    """A forward that keeps what passes by.

    encoder: the submodule whose first argument is the list of encoder features. fused: the one that gives the list of
    fused maps, coarsest first.
    """

    def run(model: Any, pixels: Tensor) -> Seen:
        with record(model, encoder, fused) as kept:
            output = model(pixel_values=pixels, return_dict=True).predicted_depth
        return Seen(output, as_maps(kept.encoder, pixels, model.config), kept.fused[::-1])

    return run


@dataclass
class Kept:
    """What passed by: the features that entered one module, the maps that left another."""

    encoder: list[Tensor]
    fused: list[Tensor]


@contextmanager
def record(model: nn.Module, encoder: str, fused: str) -> Iterator[Kept]:
    """Keep what enters the submodule `encoder` and what leaves the submodule `fused`."""
    kept = Kept([], [])

    # Copies of the lists: DepthPro's neck replaces their entries.
    def keep_input(module: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        kept.encoder = list(args[0] if args else next(iter(options.values())))

    def keep_output(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        kept.fused = list(output)

    handles = [
        model.get_submodule(encoder).register_forward_pre_hook(keep_input, with_kwargs=True),
        model.get_submodule(fused).register_forward_hook(keep_output),
    ]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def as_maps(features: list[Tensor], pixels: Tensor, config: Any) -> FeatureMaps:
    """Tokens (B, prefix + h * w, C) of a view -> (B, C, h, w). Maps pass unchanged."""
    return [feature if feature.ndim == 4 else _as_map(feature, grid(pixels, config)) for feature in features]


def _as_map(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    patches = tokens[:, tokens.shape[1] - size[0] * size[1] :]  # class and register tokens come first
    return patches.transpose(1, 2).unflatten(2, size)


def grid(pixels: Tensor, config: Any) -> tuple[int, int]:
    """Rows and columns of patches in a view (B, 3, h, w)."""
    patch = patch_size(config)
    return pixels.shape[-2] // patch, pixels.shape[-1] // patch


def patch_size(config: Any) -> int:
    """Patch side [pixels] of a config (written as int or pair), of its backbone's config where it has one."""
    backbone = getattr(config, "backbone_config", None)
    # A hybrid's tokens lie on its own patch grid; its convolutional backbone has none.
    patch = getattr(backbone, "patch_size", None) or config.patch_size
    return int(patch if isinstance(patch, int) else patch[0])
