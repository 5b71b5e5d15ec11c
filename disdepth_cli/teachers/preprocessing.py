"""What a teacher's `preprocessor_config.json` says about its input. The JSON is read; no processor is built.

A teacher's own figures are those of its own image processor, so that what transformers' processors do to an image is
repeated here, each of their rules, to the pixel where that matters. The tests hold the answers to transformers' own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil, floor, lcm, sqrt
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.contract import Channels
from disdepth_cli.working_size import Placement, ScaleRule, WorkingSize, centred

Processor = Literal["DPT", "GLPN", "ZoeDepth", "DepthPro", "Tipsv2Dpt"]
Filter = Literal["bicubic", "bilinear", "nearest", "plain-bilinear", "corner-bilinear"]
"""How an image is resized. The plain one does not average where it shrinks; the last one maps corner pixels to corner
pixels as well."""

HALF = {"image_mean": (0.5, 0.5, 0.5), "image_std": (0.5, 0.5, 0.5)}
DEFAULTS: dict[Processor, dict[str, Any]] = {
    "DPT": {**HALF, "size": {"height": 384, "width": 384}, "resample": Image.Resampling.BICUBIC},
    "GLPN": {"size_divisor": 32},
    "ZoeDepth": {**HALF, "size": {"height": 384, "width": 512}, "keep_aspect_ratio": True, "do_pad": True},
    "DepthPro": {**HALF, "size": {"height": 1536, "width": 1536}},
    "Tipsv2Dpt": {"size": {"height": 448, "width": 448}},
}
"""What the image processors of transformers do where the file says nothing else; they resize bilinearly."""

FILTERS: dict[int, Filter] = {Image.Resampling.NEAREST: "nearest", Image.Resampling.BICUBIC: "bicubic"}
LARGEST = 8.0  # times the native area: thin or huge images are shrunk to it, which transformers would not do
PIXELS = 1 << 21  # but not below this


@dataclass(frozen=True)
class ProcessorSize(WorkingSize):
    """How an image processor of transformers brings an image to its model.

    scale_rule: "least-change" keeps the aspect and fits height or width, whichever changes less; "as-it-is" does not
    resize. multiple: of the network's patches; what is left over at the bottom and right it does not see.
    step: sides of the resized image are multiples of it, rounded down where `down`. pad_to: the image is then put in
    the middle of the next multiple of this, on `colour`; its depth is stretched as if there were none, as transformers
    does. reflects: ZoeDepth's mirrored margin around the image, which is cut off its depth. resample: of the image;
    bicubic: of the depth.
    """

    pad: bool = False
    area_limit: float = LARGEST
    step: float = 1
    down: bool = False
    pad_to: int = 1
    colour: tuple[int, int, int] = (0, 0, 0)
    reflects: bool = False
    resample: Filter = "bicubic"
    bicubic: bool = False

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        rows, columns = self._scales(height, width)
        return self._whole(height * rows), self._whole(width * columns)

    def _scales(self, height: int, width: int) -> tuple[float, float]:
        """Factors of both sides, before they are rounded."""
        if self.scale_rule == "stretch":
            return self.height / height, self.width / width
        if self.scale_rule == "as-it-is":
            scale = 1.0
        elif self.scale_rule == "short-side":
            scale = min(self.height, self.width) / min(height, width)
        else:
            of_height, of_width = self.height / height, self.width / width
            scale = of_width if abs(1 - of_width) < abs(1 - of_height) else of_height
            if self.scale_rule == "cover":
                scale = max(of_height, of_width)
        limit = sqrt(max(self.area_limit * self.height * self.width, PIXELS) / (height * width))
        return min(scale, limit), min(scale, limit)

    def _whole(self, side: float) -> int:
        count = floor(side / self.step) if self.down else round(side / self.step)
        return max(int(count * self.step), self.multiple)

    def padded(self, height: int, width: int) -> tuple[int, int]:
        above, beside = self._margin(height, width)
        rows, columns = (
            ceil(side / self.pad_to) * self.pad_to for side in self.scaled(height + 2 * above, width + 2 * beside)
        )
        return rows // self.multiple * self.multiple, columns // self.multiple * self.multiple

    def _margin(self, height: int, width: int) -> tuple[int, int]:
        return (int(sqrt(height / 2) * 3), int(sqrt(width / 2) * 3)) if self.reflects else (0, 0)

    def fit(self, image: np.ndarray) -> tuple[np.ndarray, Placement]:
        original = (image.shape[0], image.shape[1])
        above, beside = self._margin(*original)
        if self.reflects:
            image = cv2.copyMakeBorder(image, above, above, beside, beside, cv2.BORDER_REFLECT_101)
        image = resized(image, self.scaled(image.shape[0], image.shape[1]), self.resample)
        around = (ceil(image.shape[0] / self.pad_to) * self.pad_to, ceil(image.shape[1] / self.pad_to) * self.pad_to)
        image, _ = centred(image, around, self.colour)
        rows, columns = self.padded(*original)
        return np.ascontiguousarray(image[:rows, :columns]), Placement(
            original, (rows, columns), (0, 0), (above, beside), self.bicubic
        )


def resized(image: np.ndarray, size: tuple[int, int], how: Filter) -> np.ndarray:
    """An image (H, W, 3) uint8 at (height, width)."""
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    if how == "plain-bilinear":
        return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    if how == "corner-bilinear":
        rows = np.linspace(0, height - 1, size[0], dtype=np.float32)
        columns = np.linspace(0, width - 1, size[1], dtype=np.float32)
        return cv2.remap(image, *np.meshgrid(columns, rows), interpolation=cv2.INTER_LINEAR)
    names = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    return np.asarray(Image.fromarray(image).resize(size[::-1], names.get(how, Image.Resampling.NEAREST)))


@dataclass(frozen=True)
class Preprocessing:
    """mean and std for RGB in [0, 1]; the size [pixels] at which the teacher is evaluated."""

    mean: Channels
    std: Channels
    working_size: WorkingSize


def read_preprocessing(
    folder: Path,
    mean: Channels,
    std: Channels,
    native: tuple[int, int],
    multiple: int,
    side: int | None = None,
    processor: Processor = "DPT",
    patches: bool = True,
) -> Preprocessing:
    """The image processor's settings; `mean`, `std` and `native` (height, width) stand in for what it leaves out.

    side [pixels]: of the one square input that the network takes, whatever the file says. processor: the one that
    transformers takes for the model. patches: the network leaves out what is over at the edge, below `multiple`;
    otherwise the image is resized to whole multiples.

    Raises:
        TeacherError: the file is there and makes no sense.
    """
    options = _read_options(folder)
    if options:
        options = DEFAULTS[processor] | {name: value for name, value in options.items() if value is not None}
    try:
        means = _unit_range(options, "image_mean", mean, (0.0, 0.0, 0.0))
        if side is not None:
            size: WorkingSize = ProcessorSize(side, side, 1, "stretch", resample="plain-bilinear")
        else:
            size = _working_size(options, native, multiple, processor, patches, means)
        return Preprocessing(means, _unit_range(options, "image_std", std, (1.0, 1.0, 1.0)), size)
    except (TypeError, ValueError, KeyError, ZeroDivisionError):
        raise TeacherError(f"{folder.name}/preprocessor_config.json: its size, mean or std makes no sense") from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        TeacherError: not readable, not JSON, or not an object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TeacherError(f"{path.parent.name}/{path.name}: cannot be read as JSON ({error})") from None
    if not isinstance(values, dict):
        raise TeacherError(f"{path.parent.name}/{path.name}: holds no JSON object")
    return values


def _read_options(folder: Path) -> dict[str, Any]:
    """Options of the image processor, from either of the names transformers saves them under; or none."""
    if (folder / "preprocessor_config.json").is_file():
        return read_json(folder / "preprocessor_config.json")
    if (folder / "processor_config.json").is_file():
        nested = read_json(folder / "processor_config.json").get("image_processor")
        return nested if isinstance(nested, dict) else {}
    return {}


def _unit_range(options: dict[str, Any], name: str, default: Channels, identity: Channels) -> Channels:
    """mean or std for pixels in [0, 1]; the file's are for pixel * rescale_factor, pixel in [0, 255]."""
    if not options.get("do_normalize", True):
        values, white = identity, 1.0
    elif options.get(name) is None:
        values, white = default, 1.0
    else:
        values = options[name]
        white = 255.0 * options.get("rescale_factor", 1 / 255) if options.get("do_rescale", True) else 255.0
    red, green, blue = (float(value) / white for value in values)
    return red, green, blue


def _working_size(
    options: dict[str, Any],
    native: tuple[int, int],
    multiple: int,
    processor: Processor,
    patches: bool,
    mean: Channels,
) -> WorkingSize:
    """What the processor does to an image, from its `size` in any of the forms in which it has been written."""
    if not options:  # no file: nobody says more than what the encoder was made for
        height, width = (max(round(side / multiple), 1) * multiple for side in native)
        return ProcessorSize(height, width, multiple, "cover", step=multiple)
    (height, width), rule = _size_and_rule(options, native, processor)
    step = float(options.get("ensure_multiple_of") or 1) if options.get("do_resize", True) else 1.0
    if processor == "GLPN":
        step = float(options["size_divisor"]) if rule == "as-it-is" and options.get("do_resize", True) else step
    if not patches:
        step = float(lcm(multiple, max(int(step), 1)))
        height, width = (max(round(side / step), 1) * int(step) for side in (height, width))
    divisor = options.get("size_divisor") if processor == "DPT" and options.get("do_pad") else None
    red, green, blue = (round(255 * value) for value in mean)  # zero, once it is normalised
    return ProcessorSize(
        height,
        width,
        multiple,
        rule,
        step=step,
        down=processor == "GLPN",
        pad_to=int(divisor or 1),
        colour=(red, green, blue),
        reflects=processor == "ZoeDepth" and bool(options["do_pad"]),
        resample=_filter(options, processor),
        bicubic=processor != "Tipsv2Dpt",
    )


def _size_and_rule(
    options: dict[str, Any], native: tuple[int, int], processor: Processor
) -> tuple[tuple[int, int], ScaleRule]:
    size = options.get("size")
    if not options.get("do_resize", True) or processor == "GLPN":
        return native, "as-it-is"
    assert size is not None, "every other processor has a size of its own"
    if isinstance(size, dict) and "shortest_edge" in size:
        side = int(size["shortest_edge"])
        height, width, rule = side, side, "short-side"
    elif isinstance(size, dict):
        height, width, rule = int(size["height"]), int(size["width"]), "stretch"
    else:
        height, width, rule = int(size), int(size), "stretch"
    if min(height, width) < 1:
        raise ValueError("an empty size")
    keeps = bool(options.get("keep_aspect_ratio")) and rule == "stretch"
    return (height, width), "least-change" if keeps else rule  # type: ignore[return-value]


def _filter(options: dict[str, Any], processor: Processor) -> Filter:
    """How the processor resizes; each class has a way of its own with its filter."""
    if processor == "ZoeDepth":
        return "corner-bilinear"
    if processor == "DepthPro":
        return "plain-bilinear"
    return FILTERS.get(int(options.get("resample", Image.Resampling.BILINEAR)), "bilinear")
