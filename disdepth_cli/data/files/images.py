"""Images and depth maps from files: 8-bit RGB and float32 metres, or one `DataError` that names the file.

OpenCV decodes two to three times faster than Pillow, and training waits for decoding, so it does the common
files. Older OpenCV fills the missing half of a truncated JPEG or PNG with grey and says nothing; both formats
carry an end marker, which is looked for first.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import cv2
import numpy as np

from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.data.files.location import Place, fetch, suffix_of
from disdepth_cli.errors import DataError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
DEPTH_SUFFIXES = frozenset({".png", ".npy", ".npz", ".tif", ".tiff", ".exr"})

_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_JPEG_SCAN, _JPEG_BARE = 0xDA, frozenset({0x01, *range(0xD0, 0xD9)})  # markers: pixels follow; no length follows
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_EXR_DEPTH_NAMES = ("z", "depth", "y", "v")


def read_image(place: Place | str) -> np.ndarray:
    """An image as (H, W, 3) uint8 RGB: EXIF orientation applied, grey repeated, alpha dropped, 16 bit to 8.

    Raises:
        DataError: the file is missing, empty, truncated or not an image.
    """
    place = Path(place) if isinstance(place, str) else place
    try:
        stored = fetch(place)
        image = stored if isinstance(stored, np.ndarray) else _decode_image(stored.data)
    except DataError:
        raise
    except Exception as error:  # decoders raise anything on corrupt bytes: SyntaxError, struct.error, ...
        raise DataError(f"{place}: is not a readable image ({_one_line(error)}); replace or remove it") from None
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(f"{place}: an image is 8-bit (height, width, 3), but this is {image.dtype} of {image.shape}")
    return np.ascontiguousarray(image)


def read_depth(place: Place | str, coding: DepthCoding | float) -> np.ndarray:
    """A depth map as (h, w) float32 [m], 0 = invalid. coding: what stored numbers mean, or its scale alone.

    Raises:
        DataError: the file is missing, corrupt, of another kind, or not one channel of numbers.
    """
    coding = coding if isinstance(coding, DepthCoding) else DepthCoding(scale=coding)
    stored = read_stored(place)
    try:
        return coding.metres(stored)
    except DataError as error:
        raise DataError(f"{place}: {error}; is `format` right?") from None


def read_mask(place: Place | str) -> np.ndarray:
    """A mask as (h, w) bool: True where what is stored, of a kind that depth is read from, is above 0.

    Raises:
        DataError: as `read_stored`.
    """
    return read_stored(place, "buif") > 0


def read_stored(place: Place | str, kinds: str = "uif") -> np.ndarray:
    """The numbers of a depth file as they are stored, (h, w); a last axis of 1 is dropped.

    Reads 8 and 16-bit PNG, TIFF, .npy, .npz (`depth`, or the first array) and .exr (its one channel, or Z).

    Raises:
        DataError: the file is missing, corrupt, of another kind, or not one channel of numbers.
    """
    place = Path(place) if isinstance(place, str) else place
    if isinstance(place, Path):
        _depth_decoder(place, suffix_of(place))
    try:
        found = fetch(place)
        stored = found if isinstance(found, np.ndarray) else _depth_decoder(place, found.suffix)(found.data)
    except DataError:
        raise
    except Exception as error:  # as in read_image
        raise DataError(f"{place}: is not a readable depth map ({_one_line(error)}); replace or remove it") from None
    stored = stored[..., 0] if stored.ndim == 3 and stored.shape[2] == 1 else stored
    if stored.ndim != 2 or stored.size == 0 or stored.dtype.kind not in kinds:
        raise DataError(
            f"{place}: depth must be one channel of numbers (height, width), "
            f"but this is {stored.dtype} of shape {stored.shape}"
        )
    return stored


def _depth_decoder(place: Place, suffix: str) -> Callable[[bytes], np.ndarray]:
    decode = _DEPTH_DECODERS.get(suffix)
    if decode is None:
        known = ", ".join(sorted(DEPTH_SUFFIXES))
        raise DataError(f"{place}: is not a depth file; depth is read from {known}")
    return decode


def _decode_image(data: bytes) -> np.ndarray:
    if data.startswith(_TIFF):  # OpenCV multiplies the colours of a TIFF by its alpha; Pillow knows fewer kinds
        from PIL import UnidentifiedImageError

        try:
            return _decode_pillow(data)
        except UnidentifiedImageError:
            return _decode_opencv(data)
    if data.startswith(_PNG):  # no second try with Pillow: it does not check the pixel data's checksum
        return _decode_opencv(_whole_png(data))
    if data.startswith(_JPEG):
        return _decode_opencv(_whole_jpeg(data))
    try:
        return _decode_opencv(data)
    except (ValueError, cv2.error):
        return _decode_pillow(data)  # GIF, and what else this OpenCV was built without


def _decode_opencv(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB; OpenCV applies the orientation, converts grey and 16 bit and drops alpha."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("it cannot be decoded")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _decode_pillow(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB of what OpenCV is not given."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # few files need it

    try:
        file = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:  # its own message holds a memory address
        raise UnidentifiedImageError("it is not of a known kind") from None
    with file as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode == "F":
            raise ValueError("it holds float values, not colours")
        if image.mode.startswith("I"):  # Pillow's own conversion of 16 bit to RGB saturates at 255
            grey = np.clip(np.asarray(image, dtype=np.int64), 0, 65535)
            return np.repeat(((grey + 128) // 257).astype(np.uint8)[..., None], 3, axis=2)
        if image.mode in ("P", "PA"):
            image = image.convert("RGBA")
        return np.asarray(image.convert("RGB"))


def _whole_png(data: bytes) -> bytes:
    if data.startswith(_PNG) and data.rfind(_PNG_END) < 0:
        raise ValueError("it is truncated: the end of the PNG is missing")
    return data


def _whole_jpeg(data: bytes) -> bytes:
    """`data`, if an end marker follows its pixels: the one of an embedded thumbnail lies before them."""
    place = 2
    while data[place : place + 1] == b"\xff" and place + 4 <= len(data):
        marker = data[place + 1]
        if marker == _JPEG_SCAN:
            break
        if marker == 0xFF:  # a fill byte
            place += 1
        else:
            place += 2 if marker in _JPEG_BARE else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    if _JPEG_END not in data[place:]:
        raise ValueError("it is truncated: the end of the JPEG is missing")
    return data


def _decode_raster(data: bytes) -> np.ndarray:
    """Stored values of a PNG or TIFF, no conversion."""
    stored = cv2.imdecode(np.frombuffer(_whole_png(data), np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise ValueError("it cannot be decoded")
    return stored


def _decode_numpy(data: bytes) -> np.ndarray:
    loaded = np.load(io.BytesIO(data), allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        if not loaded.files:
            raise ValueError("the archive holds no array")
        return loaded["depth" if "depth" in loaded.files else loaded.files[0]]


def _decode_exr(data: bytes) -> np.ndarray:
    import OpenEXR  # OpenCV's wheels are built without it; few data sets need it

    with NamedTemporaryFile(suffix=".exr") as copy:  # the library reads files only
        copy.write(data)
        copy.flush()
        return _exr_depth(OpenEXR.File(copy.name, separate_channels=True))


def _exr_depth(opened: Any) -> np.ndarray:
    with opened as file:
        channels = {name.lower(): channel.pixels for name, channel in file.channels().items()}
        if len(channels) == 1:
            return np.array(next(iter(channels.values())))
        for name in _EXR_DEPTH_NAMES:
            if name in channels:
                return np.array(channels[name])
    raise ValueError(f"none of its channels {', '.join(sorted(channels))} is called Z or depth")


def _one_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


_DEPTH_DECODERS: dict[str, Callable[[bytes], np.ndarray]] = {
    ".png": _decode_raster,
    ".tif": _decode_raster,
    ".tiff": _decode_raster,
    ".npy": _decode_numpy,
    ".npz": _decode_numpy,
    ".exr": _decode_exr,
}
