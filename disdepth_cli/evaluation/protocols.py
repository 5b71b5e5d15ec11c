"""Named evaluation protocols: which pixels count, and what may be done to a prediction before it is scored.

A name stands for one set of numbers, those of public code, which stands beside each. Where the field has two
conventions they have two names, or the other one is described.

One number is ours: where a public range starts at 0 (iBims-1, SUN RGB-D) it starts at 1e-3 m here, since a prediction
clamped to 0 has no logarithm; no sensor measures anything below it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from disdepth_cli.config.types import Align, OutputKind
from disdepth_cli.errors import ConfigError, near_names
from disdepth_cli.evaluation.crops import BORDERS, CROPS, Box

Space = Literal["depth", "disparity"]

Resize = Literal["bilinear", "bilinear-corners", "nearest"]
RESIZES: tuple[Resize, ...] = ("bilinear", "bilinear-corners", "nearest")

RANGE = {"min_depth", "max_depth"}
PINNED = RANGE | {"crop", "align", "space", "resize", "tta"}
OPEN_RANGE = {"plain", "zero-shot-relative"}


@dataclass(frozen=True)
class Protocol:
    """The pixels that count, and the changes a prediction may undergo before it is scored.

    min_depth, max_depth: ground truth counts where min_depth < gt < max_depth [m], both strict.
    crop: a name in `CROPS`. align, space: alignment to the ground truth, and where it is fitted. resize: how a
    prediction of another size comes to the ground truth's. tta: average with the flipped image. images: number of
    test images of the full benchmark, None where there is no such number. training_border: a name in `BORDERS`, the
    part of a training image that is used; None is all of it.
    """

    name: str
    min_depth: float
    max_depth: float
    crop: str
    align: Align = "none"
    space: Space = "depth"
    resize: Resize = "bilinear"
    tta: bool = False
    images: int | None = None
    training_border: str | None = None

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise ConfigError(f"crop {self.crop!r} is unknown{near_names(self.crop, CROPS)}")
        if self.resize not in RESIZES:
            raise ConfigError(f"resize {self.resize!r} is unknown{near_names(self.resize, RESIZES)}")
        if not 0 < self.min_depth < self.max_depth:
            raise ConfigError(
                f"protocol {self.name}: --min-depth {self.min_depth:g} must be below "
                f"--max-depth {self.max_depth:g}, and both must be positive"
            )

    @property
    def range_is_the_datas(self) -> bool:
        """The range is a placeholder, which `override` replaces with the data's without taking the name away."""
        return self.name in OPEN_RANGE

    @property
    def buckets(self) -> tuple[float, float]:
        """Where near ends and far begins [m]: a quarter and a half of the range's maximum.

        For 80 m that is 20 and 40 m, the usual bands of driving; for 10 m it is 2.5 and 5 m.
        """
        return self.max_depth / 4, self.max_depth / 2

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
            "resize": self.resize,
            "tta": self.tta,
        }


NYU_AND_KITTI = (
    # cleinc/bts, aliyun/NeWCRFs, shariqfarooq123/AdaBins and isl-org/ZoeDepth.
    Protocol("nyu-eigen", 1e-3, 10.0, "nyu-eigen", images=654, training_border="nyu"),
    # 697 images are listed, 652 of them have annotated depth. BTS and NeWCRFs take the Garg crop of the full frame,
    # AdaBins and ZoeDepth take it of the 352 x 1216 "KB" crop: not the same pixels.
    Protocol("kitti-eigen-garg", 1e-3, 80.0, "garg", images=652, training_border="kb"),
    Protocol("kitti-eigen-garg-kb", 1e-3, 80.0, "kb-garg", images=652, training_border="kb"),
    # mrharicot/monodepth `utils/evaluate_kitti.py` and nianticlabs/monodepth2 `evaluate_depth.py`: the same 697 images
    # against projected raw lidar. monodepth2 also scales its monocular models by the median: --align median, `custom`.
    Protocol("kitti-eigen-697-raw", 1e-3, 80.0, "garg", images=697),
    # `val_selection_cropped`, 1000 images of 352 x 1216, listed in NeWCRFs `data_splits/kitti_official_valid.txt`. No
    # crop and 80 m as in lpiccinelli-eth/UniDepth `datasets/kitti.py` (KITTIBenchmark; its minimum is 0.05 m, nearer
    # than any lidar point). zhyever/Monocular-Depth-Estimation-Toolbox `kitti_benchmark.py` takes full frames, the
    # Garg crop and 88 m; Junyi42/monst3r the first 110 frames a drive, aligned. Those are not this protocol.
    Protocol("kitti-official-val", 1e-3, 80.0, "none", images=1000, training_border="kb"),
)

# isl-org/ZoeDepth: `DATASETS_CONFIG` (as LiheYoung/Depth-Anything `metric_depth/zoedepth/utils/config.py` has it), its
# loaders and its `compute_metrics`. The "Eigen crop" there is rows 45:471 and columns 41:601 of the ground truth at its
# own size; DIODE and Hypersim have 768 x 1024, so only a part towards the upper left is scored.
# That code interpolates with corners aligned and averages with the flipped image. Here a prediction comes to its
# image's size by the model's own rule, and flipping is --tta.
# Others score whole frames, and their numbers are not comparable with these: UniDepth to 25 m for DIODE indoor and
# iBims-1, to 8 m for SUN RGB-D; prs-eth/Marigold DIODE from 0.6 to 350 m, aligned.
ZERO_SHOT = (
    # 325 and 446 images: DIODE's validation set, counted in Marigold `data_split/diode` and `data_split/diode_depth`.
    Protocol("diode-indoor", 1e-3, 10.0, "nyu-eigen-pixels", images=325),
    Protocol("diode-outdoor", 1e-3, 80.0, "garg", images=446),
    # The test half, `alltest`. Copies of the data store 1/1000 m, 1/8000 m or 1/10000 m: the data's `depth_scale`.
    Protocol("sunrgbd", 1e-3, 8.0, "nyu-eigen-pixels", images=5050),
    # ZoeDepth holds out 8 % of the 21,260 frames of Camera_0 at random: the number is fixed, the list is not. The
    # sky, at 655.35 m, is out of range.
    Protocol("vkitti2", 1e-3, 80.0, "kb-garg", images=1701, training_border="kb"),
    # apple/ml-hypersim's test split, all images; planar depth, not the stored distance from the camera. Marigold's
    # range is 1e-5 to 65 m, and it filters the list.
    Protocol("hypersim", 1e-3, 80.0, "nyu-eigen-pixels", images=7690),
    # Pixels of the invalid and of the transparent mask have to be 0 in the data, as ZoeDepth's loader makes them.
    Protocol("ibims", 1e-3, 10.0, "nyu-eigen", images=100),
)

OF_THE_DATA = (
    # isl-org/MiDaS and Depth Anything, by the sample code that isl-org/DPT `EVALUATION.md` refers to (BadPixelMetric):
    # scale and shift by least squares in disparity, per image, over every valid pixel; then clipped from below,
    # inverted and capped at the data's maximum. A model of relative *depth* is aligned in depth, which is Marigold's
    # `least_square`, and then the result is `custom`.
    Protocol("zero-shot-relative", 1e-3, 1000.0, "none", align="scale-shift", space="disparity"),
    # Every pixel, no help.
    Protocol("plain", 1e-3, 1000.0, "none"),
)

PROTOCOLS = {protocol.name: protocol for protocol in (*NYU_AND_KITTI, *ZERO_SHOT, *OF_THE_DATA)}
"""By name. The range of those in `OPEN_RANGE` is a placeholder that `override` replaces with the data's."""

TEACHER_DISPARITY = Protocol("teacher-disparity", 1e-3, 1000.0, "none", align="scale-shift", space="disparity")
"""A relative student against its teacher's disparity, at every pixel; the range in metres says nothing here."""


def get_protocol(name: str, said: str = "--protocol") -> Protocol:
    """The protocol of that name. said: where it was named, for the error.

    Raises:
        ConfigError: there is none; the message names those there are.
    """
    if name not in PROTOCOLS:
        hint = near_names(name, PROTOCOLS) or f"; there are {', '.join(PROTOCOLS)}"
        raise ConfigError(f"{said} {name}: no such protocol{hint}")
    return PROTOCOLS[name]


def override(protocol: Protocol, **fields: Any) -> Protocol:
    """The protocol with some fields changed; a field that is None is not given.

    A result may carry a protocol's name only when it was made under it: any real change names the result
    `custom`, except a range that is the data's by definition (`OPEN_RANGE`). No real change returns `protocol`.

    Raises:
        ConfigError: an empty range, an unknown crop or resize rule.
    """
    changes = {name: value for name, value in fields.items() if value is not None and getattr(protocol, name) != value}
    if not changes:
        return protocol
    pinned = PINNED - RANGE if protocol.range_is_the_datas else PINNED
    return replace(protocol, **{"name": "custom" if changes.keys() & pinned else protocol.name, **changes})


def aligned_where_relative(protocol: Protocol, kind: OutputKind) -> Protocol:
    """The protocol for a model of any output kind: one without a scale is aligned with scale and shift."""
    if kind != "metric_depth" and protocol.align == "none":
        protocol = override(protocol, align="scale-shift")
    return for_output(protocol, kind)


def for_output(protocol: Protocol, kind: OutputKind) -> Protocol:
    """The protocol for a model of that output kind: relative models are aligned in the space of their numbers.

    A relative depth has an unknown shift, so its inverse is no disparity, and the other way round.

    Raises:
        ConfigError: a model without a scale would be scored without alignment.
    """
    if kind == "metric_depth":
        return protocol
    if protocol.align == "none":
        noun = "disparity" if kind == "disparity" else "depth"
        raise ConfigError(f"this model predicts relative {noun}, not metres: use --align scale-shift")
    return override(protocol, space="disparity" if kind == "disparity" else "depth")
