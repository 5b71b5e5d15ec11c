"""How a network of one's own is described, so that it can teach: see docs/teachers.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.contract import IMAGENET_MEAN, IMAGENET_STD, Channels, Kind
from disdepth_cli.working_size import ScaleRule

AsMap = Callable[[Any, Tensor], Tensor]
"""What a submodule gave, and the network's pixels (B, 3, h, w) -> a map (B, C, h', w')."""


@dataclass(frozen=True)
class Tap:
    """A submodule whose output is a feature.

    Args:
        module: its name, as `network.named_modules()` lists it.
        as_map: makes a map (B, C, h', w') of its output. Without it maps pass as they are, and tokens (B, n, C) are
            laid on the grid that fits their number; class and register tokens stand before the others.
    """

    module: str
    as_map: AsMap | None = None


@dataclass(frozen=True)
class TeacherDescription:
    """A network of one's own as a teacher.

    Args:
        network: an nn.Module, or any object with a `forward`.
        kind: what its numbers are: "metric_depth" [m], "disparity" (larger is nearer), "relative_depth" (larger is
            farther) or "none" (features alone). None: a test image decides between the two relative kinds.
        taps: names of submodules, or `Tap`s, finest first; "returned" where the network returns (depth, features)
            itself. Without any the student learns from the depth alone.
        input: normalised pixels (B, 3, h, w) -> what the network is called with: a tensor, a tuple of arguments or a
            dict of keywords. With `focal`, it is given focal lengths (B,) [pixels of this input] too.
        output: what the network gives -> depth (B, h, w) or (B, 1, h, w) in its kind's numbers. With `focal`, as input.
        mean, std: of RGB in [0, 1]; ImageNet's unless given.
        size: (height, width) [pixels] at which its own accuracy is measured; of its one input where `fixed`.
        multiple: both sides of its input are a multiple of this [pixels].
        fixed: it takes `size` and no other.
        resize: how whole images are brought to `size`, where it is not fixed.
        whole: it sees whole images in training, not views: for networks that judge by the whole field of view. A
            fixed one always does.
        focal: its `input` and `output` ask for the focal length.
        max_depth: the largest depth [m] it gives, where it has such a limit.
        name: what it is called in reports; default: FILE:FUNCTION, the entry point's or the class's name.
        licence: of the weights, as "mit" or "cc-by-nc-4.0". revision: of the weights.
        files: further files that it depends on, such as an ONNX file: another content is another teacher.
    """

    network: Any
    kind: Kind | None = None
    taps: Sequence[str | Tap] | Literal["returned"] = ()
    input: Callable[..., Any] | None = None
    output: Callable[..., Any] | None = None
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD
    size: tuple[int, int] = (480, 640)
    multiple: int = 1
    fixed: bool = False
    resize: ScaleRule = "short-side"
    whole: bool = False
    focal: bool = False
    max_depth: float | None = None
    name: str | None = None
    licence: str | None = None
    revision: str | None = None
    files: Sequence[Path | str] = ()


ATTRIBUTES = tuple(name for name in TeacherDescription.__dataclass_fields__ if name not in ("network", "taps"))
"""What a class with a `forward` may state as attributes of these names."""


def as_description(given: Any, where: str) -> TeacherDescription:
    """What a user's function gave, as a description: one, or an object with `forward(image) -> depth, features`.

    Such an object takes RGB in [0, 1], (B, 3, h, w), of any size, unless its attributes say otherwise.

    Raises:
        TeacherError: it is neither, or something in it makes no sense.
    """
    if isinstance(given, TeacherDescription):
        _check(given, where)
        return given
    if not callable(getattr(given, "forward", None)):
        raise TeacherError(
            f"{where}: gives {type(given).__name__}; return a TeacherDescription, or an object with "
            "forward(image) -> (depth, features)"
        )
    stated = {name: getattr(given, name) for name in ATTRIBUTES if not _is_method(given, name)}
    defaults: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "name": type(given).__name__}
    description = TeacherDescription(network=given, taps="returned", **{**defaults, **stated})
    _check(description, where)
    return description


def _is_method(given: Any, name: str) -> bool:
    """Whether an attribute is missing or a function: an nn.Module may well have a method called `input`."""
    return not hasattr(given, name) or callable(getattr(given, name))


def _check(description: TeacherDescription, where: str) -> None:
    """Refuse what cannot be meant.

    Raises:
        TeacherError: a value that is out of range, or of another type.
    """
    kinds = ("metric_depth", "disparity", "relative_depth", "none", None)
    sides = description.size
    problems = {
        f"kind={description.kind!r}; it is one of {', '.join(map(str, kinds))}": description.kind not in kinds,
        f"size={sides!r}; give (height, width) in pixels": not _are_positive(sides, 2),
        f"multiple={description.multiple!r}; give pixels, 1 or more": not _are_positive((description.multiple,), 1),
        "mean and std; give three numbers each, for RGB in [0, 1]": len(description.mean) != 3
        or len(description.std) != 3,
        "kind='none' without taps; there is nothing to learn from": description.kind == "none" and not description.taps,
        "input or output without a network that can be called": not callable(description.network)
        and not callable(getattr(description.network, "forward", None)),
    }
    for problem, is_there in problems.items():
        if is_there:
            raise TeacherError(f"{where}: {problem}")
    if not description.fixed and any(side % description.multiple for side in sides):
        raise TeacherError(f"{where}: size={sides} is no multiple of {description.multiple}")


def _are_positive(values: Any, count: int) -> bool:
    try:
        return len(values) == count and all(isinstance(value, int) and value > 0 for value in values)
    except TypeError:
        return False


def is_network(given: Any) -> bool:
    """Whether it has weights that torch knows."""
    return isinstance(given, nn.Module)
