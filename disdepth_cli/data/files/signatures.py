"""The first bytes of image and depth files, by which they are known whatever they are called."""

from __future__ import annotations

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
TIFF = (b"II*\0", b"MM\0*")
BIG_TIFF = (b"II+\0", b"MM\0+")
SUFFIXES = {
    PNG: ".png",
    JPEG: ".jpg",
    **dict.fromkeys(TIFF, ".tif"),
    b"\x93NUMPY": ".npy",
    b"PK\x03\x04": ".npz",
    b"\x76\x2f\x31\x01": ".exr",
}


def suffix_of_bytes(data: bytes) -> str | None:
    """The suffix of a file that begins so, with its dot; None where the bytes tell nothing."""
    return next((suffix for signature, suffix in SUFFIXES.items() if data.startswith(signature)), None)
