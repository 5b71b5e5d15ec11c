"""A network of one's own behind the call that all teachers have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from disdepth_cli.errors import TeacherError, near_names
from disdepth_cli.teachers.contract import Kind
from disdepth_cli.teachers.teacher import TeacherNetwork, nearest_multiple
from disdepth_cli.teachers.yours.description import Tap, TeacherDescription, is_network
from disdepth_cli.types import FeatureMaps

DEPTH_KEYS = ("depth", "predicted_depth", "metric_depth", "disparity")
PREFIX = 64  # class and register tokens, at most
STEPS = (4, 8, 16, 32)  # strides of the features that depth alone gives


class YourNetwork(TeacherNetwork):
    """Pixels (B, 3, h, w) -> depth (B, 1, h', w') or None, and the features of its taps.

    Without taps the features are the depth itself, in steps of resolution. The weights keep their memory format: other
    people's code may well ask for views of tensors that channels_last cannot give.
    """

    def __init__(self, description: TeacherDescription, name: str) -> None:
        """Raises:
        TeacherError: a tap is no submodule.
        """
        super().__init__()
        self.name, self.kind = name, description.kind
        self.model = description.network if is_network(description.network) else Held(description.network)
        self.returned = description.taps == "returned"
        taps = () if description.taps == "returned" else description.taps
        self.taps = tuple(tap if isinstance(tap, Tap) else Tap(tap) for tap in taps)
        self.enter, self.leave = description.input, description.output
        self._check_taps()

    @property
    def depth_alone(self) -> bool:
        """Whether its depth is all that there is to learn from."""
        return not self.taps and not self.returned

    def tap_names(self, count: int) -> tuple[str, ...]:
        """A name for each of its features."""
        if self.depth_alone:
            return tuple(f"depth/{step}" for step in STEPS)
        return tuple(tap.module for tap in self.taps) or tuple(f"feature{index + 1}" for index in range(count))

    def forward(self, pixels: Tensor, *focal: Tensor) -> tuple[Tensor | None, FeatureMaps]:
        pixels = pixels.contiguous()
        called = self.enter(pixels, *focal) if self.enter is not None else pixels
        with self._recording() as kept:
            given = _call(self.model, called)
        features: list[Any] = [_joined(kept[index], len(pixels)) for index in range(len(self.taps))]
        if self.returned:
            given, features = self._pair(given)
        depth = self.leave(given, *focal) if self.leave is not None else first_depth(given, self.name)
        depth = None if depth is None else own(as_depth(depth, len(pixels), self.name))
        if self.depth_alone:
            if depth is None:
                raise TeacherError(f"{self.name}: gives neither depth nor features; give it taps")
            maps = depth_steps(depth, self.kind)
        else:
            maps = [own(feature) for feature in self._maps(features, pixels)]
        self._check_it_learns([*maps, *([] if depth is None else [depth])])
        return depth, maps

    def _pair(self, given: Any) -> tuple[Any, list[Any]]:
        """The two things that a class with features of its own returns."""
        if isinstance(given, tuple | list) and len(given) == 2 and isinstance(given[1], tuple | list):
            return given[0], list(given[1])
        raise TeacherError(f"{self.name}: gives {told(given)}; return (depth, list of features)")

    def _maps(self, features: Sequence[Any], pixels: Tensor) -> list[Tensor]:
        taps = self.taps or tuple(Tap(f"feature{index + 1}") for index in range(len(features)))
        maps = []
        for tap, feature in zip(taps, features, strict=True):
            if feature is None:
                raise TeacherError(f"{self.name}: its tap {tap.module} is not called when the network runs")
            feature = (
                tap.as_map(feature, pixels) if tap.as_map is not None else _as_map(feature, pixels, tap, self.name)
            )
            if feature.ndim != 4 or len(feature) != len(pixels):
                raise TeacherError(f"{self.name}: its tap {tap.module} is {told(feature)}, no map (B, C, h, w)")
            maps.append(feature)
        return maps

    def _check_it_learns(self, given: Sequence[Tensor]) -> None:
        """Refuse to train what gives no gradient.

        Raises:
            TeacherError: it runs in inference mode, or without gradient.
        """
        wanted = torch.is_grad_enabled() and any(parameter.requires_grad for parameter in self.parameters())
        if wanted and not any(one.requires_grad for one in given):
            raise TeacherError(
                f"{self.name}: its forward gives no gradient (inference_mode, or no_grad), so it cannot be trained "
                "along; call what lies below that, or leave it frozen"
            )

    def _check_taps(self) -> None:
        known = dict(self.model.named_modules())
        for tap in self.taps:
            if not tap.module or tap.module not in known:
                raise TeacherError(f"{self.name}: has no submodule {tap.module!r}{near_names(tap.module, known)}")

    @contextmanager
    def _recording(self) -> Iterator[dict[int, list[Any]]]:
        """What passes out of the taps, by their place, call by call."""
        kept: dict[int, list[Any]] = {index: [] for index in range(len(self.taps))}

        def keep(index: int) -> Callable[..., None]:
            def hook(module: nn.Module, args: Any, output: Any) -> None:
                kept[index].append(output)

            return hook

        handles = [
            self.model.get_submodule(tap.module).register_forward_hook(keep(index))
            for index, tap in enumerate(self.taps)
        ]
        try:
            yield kept
        finally:
            for handle in handles:
                handle.remove()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> YourNetwork:
        super()._apply(fn, recurse)
        for parameter in self.parameters():
            parameter.data = parameter.data.contiguous()
        return self


class Held(nn.Module):
    """An object without weights that torch knows, such as an ONNX session behind a `forward`."""

    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held = held

    def forward(self, *args: Any, **options: Any) -> Any:
        call = getattr(self.held, "forward", None) or self.held
        return call(*args, **options)


def _call(model: nn.Module, given: Any) -> Any:
    if isinstance(given, Mapping):
        return model(**given)
    return model(*given) if isinstance(given, tuple) else model(given)


def _joined(outputs: Sequence[Any], count: int) -> Any:
    """A tap's output for `count` images: of several calls on a part of them each, all together; else the last one."""
    firsts = [_first(output) for output in outputs]
    if len(outputs) > 1 and all(isinstance(one, Tensor) for one in firsts) and sum(map(len, firsts)) == count:
        return torch.cat(firsts)
    return outputs[-1] if outputs else None


def _first(output: Any) -> Any:
    """The first of what a module gave, where it gave several things."""
    while isinstance(output, tuple | list) and output:
        output = output[0]
    return output


def own(tensor: Tensor) -> Tensor:
    """The tensor, copied where it comes from inference mode: nothing can be trained on it as it is."""
    return tensor.clone() if tensor.is_inference() and not torch.is_inference_mode_enabled() else tensor


def first_depth(given: Any, name: str) -> Any:
    """The depth in what a network gave: a tensor, the first of a tuple, or what a well-known key holds.

    Raises:
        TeacherError: it cannot be told.
    """
    if given is None or isinstance(given, Tensor | np.ndarray):
        return given
    for key in DEPTH_KEYS:
        if isinstance(given, Mapping) and key in given:
            return given[key]
        if not isinstance(given, Mapping) and getattr(given, key, None) is not None:
            return getattr(given, key)
    if isinstance(given, tuple | list) and given and isinstance(given[0], Tensor | np.ndarray):
        return given[0]
    raise TeacherError(f"{name}: gives {told(given)}, in which no depth can be told; give it an `output` function")


def as_depth(depth: Any, count: int, name: str) -> Tensor:
    """Depth of `count` images in any common form as (B, 1, h, w).

    Raises:
        TeacherError: it is none.
    """
    if not isinstance(depth, Tensor | np.ndarray):
        raise TeacherError(f"{name}: its depth is {told(depth)}; give it an `output` function that returns a tensor")
    depth = torch.as_tensor(depth)
    if depth.ndim == 4 and depth.shape[-1] == 1 and depth.shape[1] != 1:
        depth = depth[..., 0]
    if depth.ndim < 2 or not depth.is_floating_point() or depth.numel() != count * depth.shape[-2] * depth.shape[-1]:
        raise TeacherError(
            f"{name}: its depth is {told(depth)} for {count} image{'s' * (count > 1)}; give it an `output` function "
            "that returns floats (B, 1, h, w)"
        )
    return depth.reshape(count, 1, depth.shape[-2], depth.shape[-1])


def _as_map(feature: Any, pixels: Tensor, tap: Tap, name: str) -> Tensor:
    """A map as it is; tokens (B, n, C) on the grid of square patches that their number tells.

    Raises:
        TeacherError: their number tells none.
    """
    feature = _first(feature)
    if isinstance(feature, Tensor) and feature.ndim == 4:
        return feature
    if not isinstance(feature, Tensor) or feature.ndim != 3:
        raise TeacherError(f"{name}: its tap {tap.module} is {told(feature)}; give it an `as_map` function")
    height, width = pixels.shape[-2:]
    grids = ((height // patch, width // patch) for patch in range(1, min(height, width) + 1))
    fitting = [grid for grid in grids if 0 <= feature.shape[1] - grid[0] * grid[1] < PREFIX]
    if not fitting:
        raise TeacherError(
            f"{name}: its tap {tap.module} has {feature.shape[1]} tokens, which are no grid of {height}x{width} "
            "pixels; give it an `as_map` function"
        )
    rows, columns = max(fitting, key=lambda grid: grid[0] * grid[1])
    patches = feature[:, feature.shape[1] - rows * columns :]
    return patches.transpose(1, 2).unflatten(2, (rows, columns))


def depth_steps(depth: Tensor, kind: Kind | None) -> FeatureMaps:
    """Depth (B, 1, h, w) as features at strides 4, 8, 16 and 32, 16 channels each: every 4x4 pixels of a step.

    Logarithms of metres; numbers without a scale are brought to one, image by image. Holes are the image's median.
    """
    depth = depth.float()
    flat = torch.where(torch.isfinite(depth), depth, torch.nan).flatten(1)
    median = flat.nanmedian(dim=1).values.nan_to_num().view(-1, 1, 1, 1)
    depth = torch.where(torch.isfinite(depth), depth, median)
    if kind == "metric_depth":
        depth = depth.clamp(min=1e-3).log()
    else:
        spread = (depth - median).abs().flatten(1).mean(dim=1).clamp(min=1e-6).view(-1, 1, 1, 1)
        depth = (depth - median) / spread
    size = (nearest_multiple(depth.shape[-2], STEPS[-1]), nearest_multiple(depth.shape[-1], STEPS[-1]))
    if (depth.shape[-2], depth.shape[-1]) != size:
        depth = F.interpolate(depth, size=size, mode="bilinear", align_corners=False)
    return [F.pixel_unshuffle(F.avg_pool2d(depth, step // STEPS[0]), STEPS[0]) for step in STEPS]


def told(given: Any) -> str:
    """What something is, in a few words, for an error."""
    if isinstance(given, Tensor):
        return f"a {str(given.dtype).removeprefix('torch.')} tensor of shape {tuple(given.shape)}"
    if isinstance(given, Mapping):
        return f"{type(given).__name__} with {', '.join(map(str, list(given)[:8])) or 'nothing'}"
    if isinstance(given, tuple | list):
        return f"{type(given).__name__} of {len(given)}"
    return type(given).__name__
