"""Depth files to the numbers that are stored in them. What a file declares is looked at before it is decoded."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Callable, Sequence
from tempfile import NamedTemporaryFile
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.lib import format as npy

from disdepth_cli.data.files.image_decoders import decode_opencv, stored_size, whole_png
from disdepth_cli.errors import DataError
from disdepth_cli.packages import optional
from disdepth_cli.reading import LIMIT, check_pixels, most_pixels

DEPTH_NAMES = (
    *("depth", "depths", "depth_map", "depthmap", "depth_maps", "depth_m", "depth_meters", "depth_metres"),
    *("metric_depth", "pred_depth", "depth_pred", "predicted_depth", "gt_depth", "depth_gt", "dmap", "z"),
)
"""What an array, or a channel, of depth is called, the first one first."""

INVERSE_NAMES = ("disparity", "disparities", "disp", "inverse_depth", "inv_depth", "idepth")
"""What an array of disparity or inverse depth is called."""

MASK_NAMES = ("mask", "valid", "valid_mask", "depth_mask")
"""What an array of what counts is called."""

_NO_DEPTH = frozenset({*MASK_NAMES, "confidence", "conf", "intrinsics", "k", "pose", "extrinsics", "image", "rgb"})
_EXR_NAMES = ("z", "depth", "y", "v")
_ZIP, _NPY = b"PK\x03\x04", b"\x93NUMPY"
_EMPTY_ZIP = b"PK\x05\x06"
_DPT_TAG = 202021.25
_BYTES_A_PIXEL = 4
_HEADER = 16384  # bytes of an array's header that are looked at
_GAP = rb"(?:\s|#[^\n]*\n)+"
_NETPBM = re.compile(_GAP.join((rb"(P[25]|P[fF])", rb"(\d{1,9})", rb"(\d{1,9})", rb"([-+.\deE]{1,30})\s")))
_COLMAP = re.compile(rb"(\d{1,6})&(\d{1,6})&(\d{1,6})&")


def decode_raster(data: bytes, names: Sequence[str] = ()) -> np.ndarray:
    """Stored values of a PNG or TIFF, no conversion."""
    check_pixels(*stored_size(data))
    return decode_opencv(whole_png(data), cv2.IMREAD_UNCHANGED)


def decode_numpy(data: bytes, names: Sequence[str] = DEPTH_NAMES) -> np.ndarray:
    """The array of a .npy; of a .npz the one called by the first of the names that is there, or its only one.

    Raises:
        ValueError: no such array, or one of Python objects, or larger than what is read.
    """
    if not data.startswith((_ZIP, _EMPTY_ZIP)):
        return _array(data, _looked_at(data[:_HEADER]))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        arrays = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        with archive.open(arrays[chosen_name(list(arrays), names)]) as member:
            start = member.read(_HEADER)
            known = _looked_at(start)
            return _array(start + member.read(max(known.offset + known.size + 1 - len(start), 0)), known)


def chosen_name(held: Sequence[str], names: Sequence[str] = DEPTH_NAMES) -> str:
    """Which of several arrays is the depth.

    Raises:
        ValueError: none, or it is not clear.
    """
    if not held:
        raise ValueError("the archive holds no array")
    by_name = {name.lower(): name for name in reversed(held)}
    for name in names:
        if name in by_name:
            return by_name[name]
    these = ", ".join(sorted(held)[:12])
    inverse = [name for name in held if name.lower() in INVERSE_NAMES]
    if inverse and names is not INVERSE_NAMES:
        raise ValueError(f"it holds {these}: say `depth_kind: disparity` or `inverse` in data.yaml for {inverse[0]}")
    if len(held) == 1 and held[0].lower() not in _NO_DEPTH:
        return held[0]
    raise ValueError(f"which of its arrays is depth is not clear: {these}; call it {names[0]}")


class _Header(NamedTuple):
    """What an array's header says: where its numbers begin, and how many bytes they take."""

    shape: tuple[int, ...]
    order: Literal["C", "F"]
    kind: np.dtype
    offset: int
    size: int


def _looked_at(start: bytes) -> _Header:
    """The header of a .npy file, from its first bytes."""
    if not start.startswith(_NPY):
        raise ValueError("it is not a NumPy file")
    file = io.BytesIO(start)
    read = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
    shape, fortran, kind = read(file)
    if kind.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    size, most = math.prod(shape) * kind.itemsize, most_pixels() * _BYTES_A_PIXEL
    if size > most:
        raise ValueError(
            f"it declares {kind} of shape {shape}, {size / 1e6:.0f} MB, and at most {most / 1e6:.0f} MB are read; "
            f"{LIMIT} sets another limit"
        )
    return _Header(shape, "F" if fortran else "C", kind, file.tell(), size)


def _array(data: bytes, known: _Header) -> np.ndarray:
    if len(data) < known.offset + known.size:
        raise ValueError("it is truncated")
    return np.ndarray(known.shape, known.kind, data, known.offset, order=known.order)


def decode_exr(data: bytes, names: Sequence[str] = ()) -> np.ndarray:
    """The one channel of an EXR file, or the one called Z or depth."""
    exr = optional("OpenEXR", "depth as .exr", DataError)  # OpenCV's wheels are built without it; few data sets need it
    with NamedTemporaryFile(suffix=".exr") as copy:  # the library reads files only
        copy.write(data)
        copy.flush()
        with exr.File(copy.name, separate_channels=True, header_only=True) as header:
            low, high = header.header()["dataWindow"]
            check_pixels(int(high[1] - low[1] + 1), int(high[0] - low[0] + 1))
        return _exr_depth(exr.File(copy.name, separate_channels=True))


def _exr_depth(opened: Any) -> np.ndarray:
    with opened as file:
        channels = {name.lower(): channel.pixels for name, channel in file.channels().items()}
        if len(channels) == 1:
            return np.array(next(iter(channels.values())))
        for name in _EXR_NAMES:
            if name in channels:
                return np.array(channels[name])
    raise ValueError(f"none of its channels {', '.join(sorted(channels))} is called Z or depth")


def decode_netpbm(data: bytes, names: Sequence[str] = ()) -> np.ndarray:
    """Stored values of a PGM (P2, P5) or a PFM (Pf), whose rows go from the bottom up."""
    found = _NETPBM.match(data)
    if found is None or found[1] == b"PF":
        raise ValueError("it is no PGM or PFM of one channel")
    width, height = int(found[2]), int(found[3])
    check_pixels(height, width)
    pixels = data[found.end() :]
    if found[1] == b"Pf":
        kind = np.dtype("<f4" if float(found[4]) < 0 else ">f4")
        return _filled(pixels, kind, (height, width))[::-1]
    if found[1] == b"P2":
        values = np.array(pixels.split()[: height * width], np.int64)
        if values.size < height * width:
            raise ValueError("it is truncated")
        return values.reshape(height, width)
    return _filled(pixels, np.dtype("u1" if int(found[4]) < 256 else ">u2"), (height, width))


def decode_dpt(data: bytes, names: Sequence[str] = ()) -> np.ndarray:
    """Depth of MPI Sintel: a tag, width, height, then float32."""
    if len(data) < 12 or np.frombuffer(data, "<f4", 1)[0] != np.float32(_DPT_TAG):
        raise ValueError("it is no depth file of Sintel")
    width, height = (int(side) for side in np.frombuffer(data, "<i4", 2, offset=4))
    if min(width, height) < 1:
        raise ValueError("it declares an empty size")
    check_pixels(height, width)
    return _filled(data[12:], np.dtype("<f4"), (height, width))


def decode_colmap(data: bytes, names: Sequence[str] = ()) -> np.ndarray:
    """A depth map of COLMAP: `width&height&channels&`, then float32."""
    found = _COLMAP.match(data)
    if found is None or int(found[3]) != 1:
        raise ValueError("it is no depth map of COLMAP")
    width, height = int(found[1]), int(found[2])
    check_pixels(height, width)
    return _filled(data[found.end() :], np.dtype("<f4"), (height, width))


def _filled(data: bytes, kind: np.dtype, shape: tuple[int, int]) -> np.ndarray:
    """Rows of numbers."""
    count = shape[0] * shape[1]
    if len(data) < count * kind.itemsize:
        raise ValueError("it is truncated")
    return np.frombuffer(data, kind, count).reshape(shape).astype(kind.newbyteorder("="))


DEPTH_DECODERS: dict[str, Callable[[bytes, Sequence[str]], np.ndarray]] = {
    ".png": decode_raster,
    ".tif": decode_raster,
    ".tiff": decode_raster,
    ".npy": decode_numpy,
    ".npz": decode_numpy,
    ".exr": decode_exr,
    ".pgm": decode_netpbm,
    ".pfm": decode_netpbm,
    ".dpt": decode_dpt,
    ".bin": decode_colmap,
}
"""By suffix: bytes, and the names that are looked for where a file holds several arrays -> numbers."""
