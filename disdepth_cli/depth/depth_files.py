"""Depth as files that say what their numbers are: 16-bit PNG, `.npy`, `.npz` and `.exr`."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from PIL import Image

from disdepth_cli.config.types import OutputKind
from disdepth_cli.depth.png_encoding import encode_png
from disdepth_cli.errors import DataError
from disdepth_cli.files import write_atomic
from disdepth_cli.packages import optional
from disdepth_cli.reading import BYTES_A_PIXEL, check_pixels, read_bytes, reading

LARGEST = 65535
MILLIMETRES = 1000.0
KITTI_STEPS = 256.0
MILLIMETRE_RANGE = 65.0
"""Up to this many metres a uint16 holds millimetres; beyond it the step is 1/256 m, as in KITTI."""

SCALE_KEY, OFFSET_KEY, UNIT_KEY = "disdepth:scale", "disdepth:offset", "disdepth:unit"
MEANING_KEY = "disdepth:meaning"
METRES = "stored / scale = metres"
UNITS: dict[OutputKind, str] = {
    "metric_depth": METRES,
    "disparity": "relative disparity, no unit",
    "relative_depth": "relative depth, no unit",
}
EXR_CHANNEL = "Z"
REMEDY = "Depth.load reads what Depth.save and predict wrote"


def unit_of(kind: OutputKind) -> str:
    """`metres`, or `none` for relative numbers."""
    return "metres" if kind == "metric_depth" else "none"


class DepthMap(NamedTuple):
    """What a depth file holds. values (H, W); min_depth and max_depth: the range of the model, None where unknown."""

    values: np.ndarray
    kind: OutputKind = "metric_depth"
    min_depth: float | None = None
    max_depth: float | None = None

    def meaning(self) -> str:
        """Kind and range as text, for a file."""
        return json.dumps({"kind": self.kind, "min_depth": self.min_depth, "max_depth": self.max_depth})


class Coding(NamedTuple):
    """How a PNG stores depth: depth = stored / scale + offset. With `gaps`, what is stored as 0 is not finite."""

    scale: float
    offset: float = 0.0
    gaps: bool = False


def png_scale(max_depth: float | None) -> float:
    """Stored value per metre for a model that reaches max_depth [m]: 1000, or 256 past 65 m or where it is unknown."""
    return MILLIMETRES if max_depth is not None and max_depth <= MILLIMETRE_RANGE else KITTI_STEPS


def png_coding(depth_map: DepthMap) -> Coding:
    """How `write_depth_png` stores a map.

    Metres: see `png_scale`. Relative numbers of a known range: 0 to max_depth over all of uint16, the same for every
    image. Of an unknown range: this map's own range over 1 to 65535.
    """
    if depth_map.kind == "metric_depth":
        return Coding(png_scale(depth_map.max_depth))
    if depth_map.max_depth is not None:
        return Coding(LARGEST / depth_map.max_depth)
    finite = depth_map.values[np.isfinite(depth_map.values)].astype(np.float64)
    if not finite.size:
        return Coding(1.0, 0.0, gaps=True)
    low, high = float(finite.min()), float(finite.max())
    scale = (LARGEST - 1) / (high - low) if high > low else 1.0
    return Coding(scale, low - 1 / scale, gaps=True)


def write_depth_png(path: Path, depth_map: DepthMap) -> Coding:
    """Write depth (H, W) as the PNG of `encode_depth_png`, atomically, and return how it is stored.

    Raises:
        DisdepthError: the file cannot be written.
    """
    content, coding = encode_depth_png(depth_map)
    write_atomic(path, lambda temporary: temporary.write_bytes(content))
    return coding


def encode_depth_png(depth_map: DepthMap) -> tuple[bytes, Coding]:
    """Depth (H, W) as a uint16 PNG, rounded and clipped to uint16, and how it is stored.

    What is not finite is stored as 0. Scale, offset where there is one, unit, kind and range are in the PNG's text
    chunks `disdepth:scale`, `disdepth:offset`, `disdepth:unit` and `disdepth:meaning`.
    """
    coding = png_coding(depth_map)
    values = depth_map.values.astype(np.float64)
    finite = np.isfinite(values)
    stored = np.rint((np.where(finite, values, coding.offset) - coding.offset) * coding.scale)
    text = {SCALE_KEY: f"{coding.scale:.12g}"}
    if coding.gaps:
        text[OFFSET_KEY] = f"{coding.offset:.12g}"
    text |= {UNIT_KEY: UNITS[depth_map.kind], MEANING_KEY: depth_map.meaning()}
    return encode_png(np.clip(stored, 0, LARGEST).astype(np.uint16), text), coding


def read_depth_png(path: Path) -> tuple[DepthMap, float]:
    """Depth (H, W) float32, and its scale, of a PNG from `write_depth_png`.

    Raises:
        DataError: the file is not a readable PNG, or does not say its scale.
    """
    data = read_bytes(path, of_pixels=True)
    with reading(path, "is not a readable depth file"):
        with Image.open(io.BytesIO(data)) as image:
            check_pixels(image.height, image.width)
            image.load()
            stored, text = np.asarray(image), dict(image.info)
        if SCALE_KEY not in text:
            raise DataError(f"{path}: has no {SCALE_KEY} text, so its unit is unknown; {REMEDY}")
        scale, offset = float(text[SCALE_KEY]), float(text.get(OFFSET_KEY, 0.0))
        if not (math.isfinite(scale) and scale > 0 and math.isfinite(offset)):
            raise ValueError(f"a scale of {scale:g} and an offset of {offset:g} are none")
    values = stored / scale + offset
    if OFFSET_KEY in text:
        values[stored == 0] = np.nan
    meaning = text.get(MEANING_KEY)
    if meaning is None:  # written before files said more than their unit
        kinds = {unit: kind for kind, unit in UNITS.items()}
        return DepthMap(values.astype(np.float32), kinds.get(text.get(UNIT_KEY, METRES), "metric_depth")), scale
    return _held(path, values, meaning), scale


def write_depth(path: Path, depth_map: DepthMap) -> None:
    """Write a map, atomically, in the format that the suffix names.

    Raises:
        DataError: another suffix, or `.exr` without the package that writes it.
        DisdepthError: the file cannot be written.
    """
    _format_of(path).write(path, depth_map)


def read_depth_file(path: Path) -> DepthMap:
    """A map and what it means, from a file of `write_depth`.

    Raises:
        DataError: it is missing, damaged, of another kind, or does not say what its numbers are.
    """
    read = _format_of(path).read
    with reading(path, "is not a readable depth file"):
        try:
            return read(path)
        except KeyError:
            raise DataError(f"{path}: does not say what its numbers are; {REMEDY}") from None


def write_depth_numpy(path: Path, depth_map: DepthMap) -> None:
    """Write depth (H, W) as float32 `.npy`, atomically; behind it in the file a second array says what it means.

    `numpy.load` gives the first array, as of any `.npy`.

    Raises:
        DisdepthError: the file cannot be written.
    """

    def save(temporary: Path) -> None:
        with open(temporary, "wb") as handle:  # by name, np.save would append .npy to other suffixes
            np.save(handle, depth_map.values.astype(np.float32), allow_pickle=False)
            np.save(handle, np.array(depth_map.meaning()), allow_pickle=False)

    write_atomic(path, save)


def _read_numpy(path: Path) -> DepthMap:
    handle = io.BytesIO(read_bytes(path, of_pixels=True))
    values = np.load(handle, allow_pickle=False)
    try:
        meaning = str(np.load(handle, allow_pickle=False))
    except (EOFError, ValueError):
        raise DataError(
            f"{path}: does not say what its numbers are; {REMEDY}. If you know: Depth(numpy.load(...), kind)"
        ) from None
    return _held(path, values, meaning)


def _write_archive(path: Path, depth_map: DepthMap) -> None:
    def save(temporary: Path) -> None:
        with open(temporary, "wb") as handle:
            values, unit = depth_map.values.astype(np.float32), unit_of(depth_map.kind)
            np.savez_compressed(handle, depth=values, unit=np.array(unit), meaning=np.array(depth_map.meaning()))

    write_atomic(path, save)


def _read_archive(path: Path) -> DepthMap:
    with np.load(io.BytesIO(read_bytes(path, of_pixels=True)), allow_pickle=False) as archive:
        check_pixels(sum(member.file_size for member in archive.zip.infolist()) // BYTES_A_PIXEL)
        return _held(path, archive["depth"], str(archive["meaning"]))


def _write_exr(path: Path, depth_map: DepthMap) -> None:
    exr = optional("OpenEXR", path, DataError)
    header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage, MEANING_KEY: depth_map.meaning()}
    file = exr.File(header, {EXR_CHANNEL: np.ascontiguousarray(depth_map.values, dtype=np.float32)})
    write_atomic(path, lambda temporary: file.write(str(temporary)))


def _read_exr(path: Path) -> DepthMap:
    exr = optional("OpenEXR", path, DataError)
    read_bytes(path, of_pixels=True)  # the library's own error names no reason
    with exr.File(str(path), separate_channels=True, header_only=True) as header:
        low, high = header.header()["dataWindow"]
        check_pixels(int(high[1] - low[1] + 1), int(high[0] - low[0] + 1))
    with exr.File(str(path), separate_channels=True) as file:
        return _held(path, np.array(file.channels()[EXR_CHANNEL].pixels), str(file.header()[MEANING_KEY]))


def _held(path: Path, values: np.ndarray, meaning: str) -> DepthMap:
    """The map with what its file says of it.

    Raises:
        DataError: that is not what `Held.meaning` wrote.
    """
    try:
        said = json.loads(meaning)
        kind, low, high = said["kind"], said["min_depth"], said["max_depth"]
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: does not say what its numbers are; {REMEDY}") from None
    if kind not in get_args(OutputKind):
        raise DataError(f"{path}: its numbers are {kind!r}, which this version does not know; upgrade disdepth")
    return DepthMap(values.astype(np.float32), kind, low, high)


class _Format(NamedTuple):
    write: Callable[[Path, DepthMap], object]
    read: Callable[[Path], DepthMap]


_FORMATS = {
    ".png": _Format(write_depth_png, lambda path: read_depth_png(path)[0]),
    ".npy": _Format(write_depth_numpy, _read_numpy),
    ".npz": _Format(_write_archive, _read_archive),
    ".exr": _Format(_write_exr, _read_exr),
}


def _format_of(path: Path) -> _Format:
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        known = ", ".join(_FORMATS)
        if suffix in (".ply", ".glb"):
            raise DataError(f"{path}: is for points; write depth.points(image, fov=...).save(...)")
        raise DataError(f"{path}: depth is saved as {known}, not as {suffix or 'a name without a suffix'!r}")
    return _FORMATS[suffix]
