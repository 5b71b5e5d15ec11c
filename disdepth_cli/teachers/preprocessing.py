"""What a teacher's `preprocessor_config.json` says about its input. The JSON is read; no processor is built."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.contract import Channels
from disdepth_cli.working_size import ScaleRule, WorkingSize


@dataclass(frozen=True)
class Preprocessing:
    """mean and std for RGB in [0, 1]; the size [pixels] at which the teacher is evaluated."""

    mean: Channels
    std: Channels
    working_size: WorkingSize


def read_preprocessing(
    folder: Path, mean: Channels, std: Channels, native: tuple[int, int], multiple: int, side: int | None = None
) -> Preprocessing:
    """The image processor's settings; `mean`, `std` and `native` (height, width) stand in for what it leaves out.

    side [pixels]: of the one square input that the network takes, whatever the file says.

    Raises:
        TeacherError: the file is there and makes no sense.
    """
    options = _read_options(folder)
    try:
        return Preprocessing(
            mean=_unit_range(options, "image_mean", mean, (0.0, 0.0, 0.0)),
            std=_unit_range(options, "image_std", std, (1.0, 1.0, 1.0)),
            working_size=_working_size(options, native, multiple)
            if side is None
            else WorkingSize(side, side, multiple=1, scale_rule="stretch", pad=False),
        )
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


def _working_size(options: dict[str, Any], native: tuple[int, int], multiple: int) -> WorkingSize:
    """Working size of the processor's `size`, in any of the forms it has been written in; whole multiples."""
    size = options.get("size") if options.get("do_resize", True) else None
    rule: ScaleRule = "cover" if size is None or options.get("keep_aspect_ratio") else "stretch"
    if size is None:
        height, width = native
    elif isinstance(size, int):
        height = width = size
    elif "shortest_edge" in size:
        height = width = int(size["shortest_edge"])
        rule = "short-side"
    else:
        height, width = int(size["height"]), int(size["width"])
    if min(height, width) < 1:
        raise ValueError("an empty size")
    # ZoeDepth's own default is 1/32, by which it means any size.
    step = lcm(multiple, max(int(options.get("ensure_multiple_of") or 1), 1))
    # A stretched input is used as it stands, so it must already be whole multiples.
    height, width = (max(round(side / step), 1) * step for side in (height, width))
    return WorkingSize(height, width, multiple=step, scale_rule=rule, pad=False)
