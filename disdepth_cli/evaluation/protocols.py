"""Named evaluation protocols: which pixels count, and what may be done to a prediction before it is scored.

The numbers are those of the public code (cleinc/bts, shariqfarooq123/AdaBins, aliyun/NeWCRFs, isl-org/ZoeDepth).
Two KITTI protocols exist because the field has two: BTS and NeWCRFs take the Garg crop of the full frame, AdaBins
and ZoeDepth take it of the 352 x 1216 "KB" crop. They are not the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from disdepth_cli.errors import ConfigError, near_names
from disdepth_cli.option_types import Align, OutputKind

Box = tuple[int, int, int, int]
"""(top, bottom, left, right) [pixels], bottom and right exclusive."""

Space = Literal["depth", "disparity"]

GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
KITTI_EIGEN = (0.3324324, 0.91351351, 0.0359477, 0.96405229)
KB_SIZE = (352, 1216)

RANGE = {"min_depth", "max_depth"}
PINNED = RANGE | {"crop", "align", "space", "tta"}


def _whole(height: int, width: int) -> Box:
    return 0, height, 0, width


def _fractions(height: int, width: int, shares: tuple[float, float, float, float]) -> Box:
    top, bottom, left, right = shares
    return int(top * height), int(bottom * height), int(left * width), int(right * width)


def _garg(height: int, width: int) -> Box:
    return _fractions(height, width, GARG)


def _kitti_eigen(height: int, width: int) -> Box:
    return _fractions(height, width, KITTI_EIGEN)


def _kb(height: int, width: int) -> Box:
    """The bottom 352 rows and centred 1216 columns; a side that is not larger stays whole."""
    rows, columns = min(KB_SIZE[0], height), min(KB_SIZE[1], width)
    left = (width - columns) // 2
    return height - rows, height, left, left + columns


def _kb_garg(height: int, width: int) -> Box:
    above, bottom, before, right = _kb(height, width)
    box = _garg(bottom - above, right - before)
    return above + box[0], above + box[1], before + box[2], before + box[3]


def _of_480x640(height: int, width: int, box: Box) -> Box:
    """`box` of a 480 x 640 frame in a frame of another size, in proportion and rounded down."""
    top, bottom, left, right = box
    return top * height // 480, bottom * height // 480, left * width // 640, right * width // 640


def _nyu(height: int, width: int) -> Box:
    return _of_480x640(height, width, (45, 471, 41, 601))


def _nyu_border(height: int, width: int) -> Box:
    return _of_480x640(height, width, (45, 472, 43, 608))


CROPS: dict[str, Callable[[int, int], Box]] = {
    "none": _whole,
    "nyu-eigen": _nyu,
    "garg": _garg,
    "kb-garg": _kb_garg,
    "kitti-eigen": _kitti_eigen,
}
BORDERS: dict[str, Callable[[int, int], Box]] = {"none": _whole, "nyu": _nyu_border, "kb": _kb}


@dataclass(frozen=True)
class Protocol:
    """The pixels that count, and the changes a prediction may undergo before it is scored.

    min_depth, max_depth: ground truth counts where min_depth < gt < max_depth [m], both strict.
    crop: a name in `CROPS`. align, space: alignment to the ground truth, and where it is fitted. tta: average with
    the flipped image. images: number of test images of the full benchmark, None where there is no such number.
    training_border: a name in `BORDERS`, the part of a training image that is used; None is all of it.
    """

    name: str
    min_depth: float
    max_depth: float
    crop: str
    align: Align = "none"
    space: Space = "depth"
    tta: bool = False
    images: int | None = None
    training_border: str | None = None

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise ConfigError(f"crop {self.crop!r} is unknown{near_names(self.crop, CROPS)}")
        if not 0 < self.min_depth < self.max_depth:
            raise ConfigError(
                f"protocol {self.name}: --min-depth {self.min_depth:g} must be below "
                f"--max-depth {self.max_depth:g}, and both must be positive"
            )

    def crop_box(self, height: int, width: int) -> Box:
        """The box of a (height, width) ground truth that is scored.

        The NYU crop is exact at 480 x 640 and in proportion at any other size; the KITTI crops are shares of the
        frame by definition. The box of a tiny frame may be empty.
        """
        return CROPS[self.crop](height, width)

    def training_box(self, height: int, width: int) -> Box:
        """The box of a (height, width) training image that is used.

        NYU drops its white border (rows 45:472, columns 43:608 of 480 x 640, in proportion otherwise); KITTI
        takes the KB crop; the others the whole image.
        """
        return BORDERS[self.training_border or "none"](height, width)

    def as_json(self) -> dict[str, Any]:
        """What is printed with every result."""
        return {
            "name": self.name,
            "min_depth": self.min_depth,
            "max_depth": self.max_depth,
            "crop": self.crop,
            "align": self.align,
            "space": self.space,
            "tta": self.tta,
        }


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("nyu-eigen", 1e-3, 10.0, "nyu-eigen", images=654, training_border="nyu"),
        Protocol("kitti-eigen-garg", 1e-3, 80.0, "garg", images=652, training_border="kb"),
        Protocol("kitti-eigen-garg-kb", 1e-3, 80.0, "kb-garg", images=652, training_border="kb"),
        Protocol("plain", 1e-3, 1000.0, "none"),
    )
}
"""`plain` counts every pixel; its range is a placeholder that `override` replaces with the data's."""

TEACHER_DISPARITY = Protocol("teacher-disparity", 1e-3, 1000.0, "none", align="scale-shift", space="disparity")
"""A relative student against its teacher's disparity, at every pixel; the range in metres says nothing here."""


def get_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ConfigError: there is none; the message names those there are.
    """
    if name not in PROTOCOLS:
        hint = near_names(name, PROTOCOLS) or f"; there are {', '.join(PROTOCOLS)}"
        raise ConfigError(f"--protocol {name}: no such protocol{hint}")
    return PROTOCOLS[name]


def override(protocol: Protocol, **fields: Any) -> Protocol:
    """The protocol with some fields changed; a field that is None is not given.

    A result may carry a protocol's name only when it was made under it: any real change names the result
    `custom`, except the range of `plain`, which is the data's by definition. No real change returns `protocol`.

    Raises:
        ConfigError: an empty range or an unknown crop.
    """
    changes = {name: value for name, value in fields.items() if value is not None and getattr(protocol, name) != value}
    if not changes:
        return protocol
    pinned = PINNED - RANGE if protocol.name == "plain" else PINNED
    return replace(protocol, **{"name": "custom" if changes.keys() & pinned else protocol.name, **changes})


def for_output(protocol: Protocol, kind: OutputKind) -> Protocol:
    """The protocol for a model of that output kind: disparity models are aligned in disparity.

    Raises:
        ConfigError: a model without a scale would be scored without alignment.
    """
    if kind == "metric_depth":
        return protocol
    if protocol.align == "none":
        noun = "disparity" if kind == "disparity" else "depth"
        raise ConfigError(f"this model predicts relative {noun}, not metres: use --align scale-shift")
    return override(protocol, space="disparity") if kind == "disparity" else protocol
