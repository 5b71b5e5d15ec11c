"""Images and depth maps from files: 8-bit RGB and float32 metres, or one `DataError` that names the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.data.files.depth_decoders import DEPTH_DECODERS, DEPTH_NAMES, INVERSE_NAMES, MASK_NAMES
from disdepth_cli.data.files.image_decoders import LARGE, decode_image, orientation_of, stored_size
from disdepth_cli.data.files.location import Encoded, Location, fetch, suffix_of
from disdepth_cli.errors import DataError
from disdepth_cli.reading import reading

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
DEPTH_SUFFIXES = frozenset(DEPTH_DECODERS)
_ADVICE = "replace or remove it"


def read_image(location: Location | str) -> np.ndarray:
    """An image as (H, W, 3) uint8 RGB: EXIF orientation applied, grey repeated, alpha dropped, 16 bit to 8.

    More than 32 megapixels are decoded at a half, a quarter or an eighth of their size.

    Raises:
        DataError: the file is missing, empty, truncated, too large or not an image.
    """
    return _decoded(location)[0]


def read_oriented(location: Location | str) -> tuple[np.ndarray, int]:
    """As `read_image`, and the EXIF orientation that was applied, 1 to 8.

    Raises:
        DataError: as `read_image`.
    """
    image, stored = _decoded(location)
    return image, orientation_of(stored.data) if isinstance(stored, Encoded) else 1


def decode_named(data: bytes, name: object) -> np.ndarray:
    """As `read_image`, of the bytes of an image. name: what the error calls it.

    Raises:
        DataError: as `read_image`.
    """
    with reading(name, "is not a readable image", advice=_ADVICE):
        if not data:
            raise DataError(f"{name}: is empty; {_ADVICE}")
        return np.ascontiguousarray(decode_image(data))


def reduced_from(data: bytes, image: np.ndarray) -> str | None:
    """The size that the bytes of an image declare, in words, where it was decoded smaller; None where it was not."""
    if image.shape[0] * image.shape[1] * 4 < LARGE:
        return None
    height, width = stored_size(data)
    return f"{height}x{width}" if height * width > LARGE else None


def reduced_by(location: Location, image: np.ndarray) -> float:
    """By which factor `read_image` shrank an image (H, W, 3) of a file: 1, 1/2, 1/4 or 1/8.

    Raises:
        DataError: the file cannot be read.
    """
    if image.shape[0] * image.shape[1] * 4 < LARGE:
        return 1.0
    stored = fetch(location)
    if not isinstance(stored, Encoded):
        return 1.0
    size = stored_size(stored.data)
    return 1 / max(round(max(size) / max(image.shape[:2])), 1)


def _decoded(location: Location | str) -> tuple[np.ndarray, Encoded | np.ndarray]:
    location = Path(location) if isinstance(location, str) else location
    with reading(location, "is not a readable image", advice=_ADVICE):
        stored = fetch(location)
        image = decode_image(stored.data) if isinstance(stored, Encoded) else stored
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(f"{location}: an image is 8-bit (height, width, 3), but this is {image.dtype} of {image.shape}")
    return np.ascontiguousarray(image), stored


def read_depth(location: Location | str, coding: DepthCoding | float, image_side: int | None = None) -> np.ndarray:
    """A depth map as (h, w) float32 [m], 0 = invalid.

    coding: what stored numbers mean, or its scale alone. image_side [pixels]: the longer side of the image that it
    belongs to, where the coding has a focal length.

    Raises:
        DataError: the file is missing, corrupt, of another kind, or not one channel of numbers.
    """
    coding = coding if isinstance(coding, DepthCoding) else DepthCoding(scale=coding)
    names = INVERSE_NAMES if coding.is_inverse else DEPTH_NAMES
    if coding.encoding is None:
        stored = read_stored(location, names=names)
    else:
        colours = _numbers(location, names)
        with reading(location, "is not a readable depth map", advice="is `encoding` right?"):
            stored = coding.decoded(colours)
    try:
        return coding.metres(stored, image_side)
    except DataError as error:
        raise DataError(f"{location}: {error}; is `format` right?") from None


def read_mask(location: Location | str) -> np.ndarray:
    """A mask as (h, w) bool: True where what is stored, of a kind that depth is read from, is above 0.

    Raises:
        DataError: as `read_stored`.
    """
    return read_stored(location, "buif", MASK_NAMES) > 0


def read_stored(location: Location | str, kinds: str = "uif", names: Sequence[str] = DEPTH_NAMES) -> np.ndarray:
    """The numbers of a depth file as they are stored, (h, w); further axes of 1 are dropped.

    Reads 8 and 16-bit PNG, TIFF and PGM, .npy, .npz (the array called by the first of `names`, or its only one), .exr
    (its one channel, or Z), .pfm, .dpt (Sintel) and .bin (COLMAP).

    Raises:
        DataError: the file is missing, corrupt, of another kind, or not one channel of numbers.
    """
    stored = _numbers(location, names)
    if stored.ndim != 2 or stored.size == 0 or stored.dtype.kind not in kinds:
        raise DataError(
            f"{location}: depth must be one channel of numbers (height, width), "
            f"but this is {stored.dtype} of shape {stored.shape}"
        )
    return stored


def _numbers(location: Location | str, names: Sequence[str]) -> np.ndarray:
    """What a depth file holds, (h, w) or (h, w, channels)."""
    location = Path(location) if isinstance(location, str) else location
    if isinstance(location, Path) and suffix_of(location) not in DEPTH_DECODERS:
        raise _no_depth_file(location)
    with reading(location, "is not a readable depth map", advice=_ADVICE):
        found = fetch(location)
        if isinstance(found, Encoded):
            decode = DEPTH_DECODERS.get(found.suffix)
            if decode is None:
                raise _no_depth_file(location)
            found = decode(found.data, names)
    while found.ndim > 2 and 1 in (found.shape[0], found.shape[-1]):
        found = found[..., 0] if found.shape[-1] == 1 else found[0]
    return found


def _no_depth_file(location: Location) -> DataError:
    return DataError(f"{location}: is not a depth file; depth is read from {', '.join(sorted(DEPTH_SUFFIXES))}")
