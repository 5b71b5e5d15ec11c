"""The boxes of an image that are scored, or used in training, by the field's names."""

from __future__ import annotations

from collections.abc import Callable

Box = tuple[int, int, int, int]
"""(top, bottom, left, right) [pixels], bottom and right exclusive."""

GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
KITTI_EIGEN = (0.3324324, 0.91351351, 0.0359477, 0.96405229)
KB_SIZE = (352, 1216)
NYU_EIGEN = (45, 471, 41, 601)
NYU_BORDER = (45, 472, 43, 608)


def _whole(height: int, width: int) -> Box:
    return 0, height, 0, width


def _fractions(height: int, width: int, shares: tuple[float, float, float, float]) -> Box:
    top, bottom, left, right = shares
    return int(top * height), int(bottom * height), int(left * width), int(right * width)


def _garg(height: int, width: int) -> Box:
    return _fractions(height, width, GARG)


def _kitti_eigen(height: int, width: int) -> Box:
    return _fractions(height, width, KITTI_EIGEN)


def _kb(height: int, width: int) -> Box:
    """The bottom 352 rows and centred 1216 columns; a side that is not larger stays whole."""
    rows, columns = min(KB_SIZE[0], height), min(KB_SIZE[1], width)
    left = (width - columns) // 2
    return height - rows, height, left, left + columns


def _kb_garg(height: int, width: int) -> Box:
    above, bottom, before, right = _kb(height, width)
    box = _garg(bottom - above, right - before)
    return above + box[0], above + box[1], before + box[2], before + box[3]


def _of_480x640(height: int, width: int, box: Box) -> Box:
    """`box` of a 480 x 640 frame in a frame of another size, in proportion and rounded down."""
    top, bottom, left, right = box
    return top * height // 480, bottom * height // 480, left * width // 640, right * width // 640


def _nyu(height: int, width: int) -> Box:
    return _of_480x640(height, width, NYU_EIGEN)


def _nyu_pixels(height: int, width: int) -> Box:
    """Rows 45:471 and columns 41:601 of any frame, as far as it reaches: not in proportion."""
    top, bottom, left, right = NYU_EIGEN
    return min(top, height), min(bottom, height), min(left, width), min(right, width)


def _nyu_border(height: int, width: int) -> Box:
    return _of_480x640(height, width, NYU_BORDER)


CROPS: dict[str, Callable[[int, int], Box]] = {
    "none": _whole,
    "nyu-eigen": _nyu,
    "nyu-eigen-pixels": _nyu_pixels,
    "garg": _garg,
    "kb-garg": _kb_garg,
    "kitti-eigen": _kitti_eigen,
}
BORDERS: dict[str, Callable[[int, int], Box]] = {"none": _whole, "nyu": _nyu_border, "kb": _kb}
