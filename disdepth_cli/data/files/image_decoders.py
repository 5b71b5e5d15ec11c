"""Encoded images to 8-bit RGB, and what their headers say before they are decoded.

OpenCV decodes two to three times faster than Pillow, and training waits for decoding, so it does the common
files. Older OpenCV fills the missing half of a truncated JPEG or PNG with grey and says nothing; both formats
carry an end marker, which is looked for first.
"""

from __future__ import annotations

import io
import math
import struct
import threading
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from disdepth_cli.data.files.signatures import BIG_TIFF, JPEG, PNG, TIFF
from disdepth_cli.reading import check_pixels

LARGE = 32e6  # pixels beyond which an image is decoded at a half, a quarter or an eighth of its size

_PNG_END, _JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"
_JPEG_SCAN, _JPEG_BARE = 0xDA, frozenset({0x01, *range(0xD0, 0xD9)})  # markers: pixels follow; no length follows
_JPEG_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of a frame, which says the size
_JPEG_EXIF, _EXIF_NAME = 0xE1, b"Exif\0\0"
_ORIENTATION, _SHORT = 0x0112, 3
_EXIF_IFD, _FILM_FOCAL = 0x8769, 0xA405
_SMALLER = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_bombs = threading.Lock()


def decode_image(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB: EXIF orientation applied, grey repeated, alpha dropped, 16 bit to 8.

    More than 32 megapixels are decoded at a half, a quarter or an eighth of their size.

    Raises:
        Exception: of any kind, as decoders raise.
    """
    height, width = stored_size(data)
    check_pixels(height, width)
    shrink = next((step for step in (1, 2, 4, 8) if height * width <= LARGE * step * step), 8)
    guarded = height * width > (Image.MAX_IMAGE_PIXELS or math.inf)
    if data.startswith((*TIFF, *BIG_TIFF)) and not guarded:
        # OpenCV multiplies a TIFF's colours by its alpha; Pillow knows fewer TIFFs.
        try:
            return _shrunk(_decode_pillow(data), shrink)
        except UnidentifiedImageError:
            return _decode_opencv(data, shrink)
    if data.startswith(PNG):  # no second try with Pillow: it does not check the pixel data's checksum
        return _decode_opencv(whole_png(data), shrink)
    if data.startswith(JPEG):
        return _decode_opencv(_whole_jpeg(data), shrink)
    try:
        return _decode_opencv(data, shrink)
    except ValueError:
        return _shrunk(_decode_pillow(data), shrink)  # GIF, and what else this OpenCV was built without


def stored_size(data: bytes) -> tuple[int, int]:
    """(height, width) that an image's header declares, before any orientation; (0, 0) where it cannot be told."""
    if data.startswith(PNG):
        return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")
    if data.startswith(JPEG):
        for marker, index in _jpeg_segments(data):
            if marker in _JPEG_FRAME:
                sides = data[index + 5 : index + 9]
                return int.from_bytes(sides[:2], "big"), int.from_bytes(sides[2:], "big")
        return 0, 0
    try:
        with opened(data) as image:
            return image.height, image.width
    except (OSError, ValueError, SyntaxError):
        return 0, 0


def orientation_of(data: bytes) -> int:
    """The EXIF orientation that `decode_image` applies, 1 to 8; 1: none."""
    block = _exif(data)
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (first,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, first)
        for index in range(first + 2, first + 2 + 12 * entries, 12):
            tag, kind = struct.unpack_from(f"{order}HH", block, index)
            if tag == _ORIENTATION:
                (found,) = struct.unpack_from(f"{order}{'H' if kind == _SHORT else 'I'}", block, index + 8)
                return found if 1 <= found <= 8 else 1
    except struct.error:  # it is cut off, or damaged: decoders pass over it
        pass
    return 1


def film_focal(data: bytes) -> float | None:
    """The focal length in 35 mm film [mm] that an image's EXIF data states; None where it does not."""
    try:
        with opened(data) as image:
            value = float(image.getexif().get_ifd(_EXIF_IFD).get(_FILM_FOCAL, 0))
    except Exception:  # it is cut off, or damaged: decoders pass over it
        return None
    return value if 0 < value < math.inf else None


def _exif(data: bytes) -> bytes:
    """The block of an image's EXIF data, which is laid out as a TIFF file; empty where there is none."""
    if data.startswith(TIFF):
        return data
    if data.startswith(JPEG):
        for marker, index in _jpeg_segments(data):
            if marker == _JPEG_EXIF and data[index + 4 : index + 10] == _EXIF_NAME:
                return data[index + 10 : index + 2 + int.from_bytes(data[index + 2 : index + 4], "big")]
        return b""
    mark, skipped = (b"eXIf", 4) if data.startswith(PNG) else (b"EXIF", 8)
    index = data.find(mark) if data.startswith((PNG, b"RIFF")) else -1
    return b"" if index < 0 else data[index + skipped :].removeprefix(_EXIF_NAME)


def turned(depth: np.ndarray, orientation: int) -> np.ndarray:
    """A map (h, w) as it lies in a file with that EXIF orientation -> upright."""
    if orientation >= 5:
        depth = depth.T
    turn = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}.get(orientation, (1, 1))
    return np.ascontiguousarray(depth[:: turn[0], :: turn[1]])


def kind_of(data: bytes) -> str:
    """Pillow's name of how pixels are stored, as `L` or `I;16`, from the header alone.

    Raises:
        Exception: of any kind, as Pillow raises.
    """
    with opened(data) as image:
        return str(image.mode)


def opened(data: bytes) -> Image.Image:
    """An image with its header read, whatever its size: that is looked at here, not by Pillow's guard.

    Raises:
        UnidentifiedImageError: of no known kind.
    """
    with _bombs:
        guard, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data))
        except UnidentifiedImageError:  # its own message holds a memory address
            raise UnidentifiedImageError("it is not of a known kind") from None
        finally:
            Image.MAX_IMAGE_PIXELS = guard


def decode_opencv(data: bytes, flags: int) -> np.ndarray:
    """What OpenCV makes of an image.

    Raises:
        ValueError: nothing; its own errors speak of its source code.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise ValueError("it cannot be decoded")
    return image


def whole_png(data: bytes) -> bytes:
    """`data`, if an end marker is in it where it is a PNG.

    Raises:
        ValueError: there is none.
    """
    if data.startswith(PNG) and data.rfind(_PNG_END) < 0:
        raise ValueError("it is truncated: the end of the PNG is missing")
    return data


def _decode_opencv(data: bytes, shrink: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB; OpenCV applies the orientation, converts grey and 16 bit and drops alpha."""
    return cv2.cvtColor(decode_opencv(data, _SMALLER.get(shrink, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)


def _decode_pillow(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB of what OpenCV is not given."""
    with opened(data) as held:
        return pillow_to_rgb(held)


def pillow_to_rgb(image: Image.Image) -> np.ndarray:
    """A PIL image as (H, W, 3) uint8 RGB: orientation applied, alpha dropped, 16 bit to 8.

    Raises:
        ValueError: it holds float values.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("it holds float values, not colours")
    if image.mode.startswith("I"):  # Pillow's own conversion of 16 bit to RGB saturates at 255
        grey = np.clip(np.asarray(image, dtype=np.int64), 0, 65535)
        return np.repeat(((grey + 128) // 257).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB"))


def _shrunk(image: np.ndarray, shrink: int) -> np.ndarray:
    if shrink == 1:
        return image
    size = (max(image.shape[1] // shrink, 1), max(image.shape[0] // shrink, 1))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _whole_jpeg(data: bytes) -> bytes:
    """`data`, if an end marker follows its pixels: the one of an embedded thumbnail lies before them."""
    *_, (_, index) = _jpeg_segments(data)
    if _JPEG_END not in data[index:]:
        raise ValueError("it is truncated: the end of the JPEG is missing")
    return data


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """(marker, place) of the segments before the pixels, and at last (0, where they begin or the headers end)."""
    index = 2
    while data[index : index + 1] == b"\xff" and index + 4 <= len(data) and data[index + 1] != _JPEG_SCAN:
        marker = data[index + 1]
        if marker == 0xFF:  # a fill byte
            index += 1
            continue
        yield marker, index
        index += 2 if marker in _JPEG_BARE else 2 + int.from_bytes(data[index + 2 : index + 4], "big")
    yield 0, index
