"""An image in any form that Python has for one, as (H, W, 3) uint8 RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from disdepth_cli.data.files.image_decoders import decode_image, pillow_to_rgb
from disdepth_cli.data.files.images import read_image
from disdepth_cli.errors import DataError
from disdepth_cli.reading import reading

ImageLike = str | Path | bytes | np.ndarray | Image.Image
"""A path, the bytes of an image file, (H, W, 3) uint8 RGB (or grey, or with alpha), or a PIL image."""

FORMS = "give a path, bytes, a PIL image or an array (H, W, 3) of uint8 RGB"


def as_rgb(image: ImageLike) -> np.ndarray:
    """The image as (H, W, 3) uint8 RGB: orientation applied, grey repeated, alpha dropped, as `read_image` does.

    Raises:
        DataError: the file cannot be read, or the array or object is no such image; one line says what to give.
    """
    if isinstance(image, str | Path):
        return read_image(Path(image).expanduser())
    if isinstance(image, bytes | bytearray | memoryview):
        with reading(f"{len(image)} bytes", "are not a readable image"):
            return np.ascontiguousarray(decode_image(bytes(image)))
    if isinstance(image, Image.Image):
        return _of_pillow(image)
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if isinstance(image, list | tuple):
        raise DataError(f"the image is a {type(image).__name__}; for several images: predict_batch, or one at a time")
    raise DataError(f"the image is of type {type(image).__name__}; {FORMS}")


def _of_pillow(image: Image.Image) -> np.ndarray:
    try:
        return np.ascontiguousarray(pillow_to_rgb(image))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"the PIL image cannot be used ({error}); {FORMS}") from None


def _of_array(image: np.ndarray) -> np.ndarray:
    described = f"the array is {image.dtype} of shape {image.shape}"
    if image.ndim == 3 and image.shape[0] in (3, 4) and image.shape[2] not in (1, 3, 4):
        raise DataError(f"{described}: channels come last; give image.transpose(1, 2, 0)")
    if image.ndim == 4:
        raise DataError(f"{described}: is a batch; for several images: predict_batch, or one at a time")
    if image.ndim not in (2, 3) or image.size == 0 or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise DataError(f"{described}: an image is (H, W, 3), (H, W, 4) or (H, W)")
    if image.dtype != np.uint8:
        how = {
            "f": "; from 0 to 1: (image * 255).round().astype('uint8')",
            "u": "; from 16 bit: (image // 257).astype('uint8')",
        }
        raise DataError(f"{described}: give uint8{how.get(image.dtype.kind, '')}")
    grey = image.ndim == 2 or image.shape[2] == 1
    rgb = np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2) if grey else image[..., :3]
    return np.ascontiguousarray(rgb)
