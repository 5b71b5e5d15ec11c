"""One image and its depth, looked at: what is stored, what it means, what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import blake2b

import cv2
import numpy as np

from disdepth_cli.data.files.dataset import DataSource, Split
from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.data.files.depth_decoders import decode_numpy
from disdepth_cli.data.files.image_decoders import kind_of
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.location import Encoded, fetch
from disdepth_cli.data.files.pair import coding_of, read_pair
from disdepth_cli.errors import DataError
from disdepth_cli.inspection.labels import Label, label_of

EDGES = np.geomspace(1e-4, 1e5, 361)
"""Of the histogram's bins [m]: 40 a decade, far enough for 16-bit values that were taken for metres."""

_LOOK_SIZE = 16
_FLAT = 4.0  # grey levels of spread: a darker or more even picture looks like any other of its kind
_PILLOW_KINDS = {
    "1": "1 bit x 1", "L": "uint8 x 1", "LA": "uint8 x 2", "P": "palette", "PA": "palette", "RGB": "uint8 x 3",
    "RGBA": "uint8 x 4", "CMYK": "uint8 x 4", "I;16": "uint16 x 1", "I;16B": "uint16 x 1", "I": "int32 x 1",
    "F": "float32 x 1",
}  # fmt: skip


@dataclass
class DepthStatistics:
    """Depth of one map, or of many together.

    counts: depth by `EDGES`; lowest, highest [m]; positive, in_range: of `pixels`, those with depth > 0, and inside the
    data's range; full: those at the largest value that 16 bits hold.
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros(len(EDGES) - 1, np.int64))
    lowest: float = float("inf")
    highest: float = 0.0
    pixels: int = 0
    positive: int = 0
    in_range: int = 0
    full: int = 0

    def add(self, other: DepthStatistics) -> None:
        """Take in another map's."""
        self.counts = self.counts + other.counts
        self.lowest, self.highest = min(self.lowest, other.lowest), max(self.highest, other.highest)
        self.pixels += other.pixels
        self.positive += other.positive
        self.in_range += other.in_range
        self.full += other.full

    def quantiles(self, *shares: float) -> list[float]:
        """Depths [m] below which these shares of the depth lie, to a bin's width (6 %); there must be some."""
        below = np.cumsum(self.counts) / self.counts.sum()
        middles = np.sqrt(EDGES[1:] * EDGES[:-1])
        return [float(f"{middles[min(int(np.searchsorted(below, share)), len(middles) - 1)]:.4g}") for share in shares]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one item holds.

    problem: why it cannot be used, "" when it can. kinds are as `uint16 x 1`: type and channels as stored. digest: of
    the image's bytes. gradient_hash: 256 bits of its coarse gradients (dHash), empty for a picture without contrast.
    """

    key: str
    problem: str = ""
    image_size: tuple[int, int] = (0, 0)
    image_kind: str = ""
    depth_size: tuple[int, int] | None = None
    depth_kind: str = ""
    digest: bytes = b""
    gradient_hash: bytes = b""
    statistics: DepthStatistics | None = None
    label: Label | None = None


def inspect(item: DataItem, source: DataSource, split: Split) -> Finding:
    """Look at one item; what cannot be read is a finding with a `problem`, never an exception."""
    key = source.key(item)
    try:
        image, depth = read_pair(item, source.coding)
        stored = fetch(item.image)
        data = stored.tobytes() if isinstance(stored, np.ndarray) else stored.data
        found = Finding(
            key,
            image_size=(image.shape[0], image.shape[1]),
            image_kind=stored_kind(stored),
            digest=blake2b(data, digest_size=16).digest(),
            gradient_hash=_gradient_hash(image),
        )
        if depth is None or item.depth is None:
            return found
        size = (depth.shape[0], depth.shape[1])
        return replace(
            found,
            depth_size=size,
            depth_kind=stored_kind(fetch(item.depth)),
            statistics=_statistics(depth, source, coding_of(item, source.coding)),
            label=label_of(depth, key, split, source.min_depth, source.max_depth),
        )
    except DataError as error:
        return Finding(key, problem=str(error))


def _statistics(depth: np.ndarray, source: DataSource, coding: DepthCoding) -> DepthStatistics:
    there = depth > 0
    positive = int(np.count_nonzero(there))
    if not positive:
        return DepthStatistics(pixels=depth.size)
    # OpenCV's histogram: three times faster than logarithm, digits and counting in NumPy.
    logarithm, mask = cv2.log(np.maximum(depth, np.float32(EDGES[0]))), there.view(np.uint8)
    ends = [float(np.log(EDGES[0])), float(np.log(EDGES[-1]))]
    counts = cv2.calcHist([logarithm], [0], mask, [len(EDGES) - 1], ends).ravel().astype(np.int64)
    lowest, highest, *_ = cv2.minMaxLoc(depth, mask)
    return DepthStatistics(
        counts=counts,
        lowest=lowest,
        highest=highest,
        pixels=depth.size,
        positive=positive,
        in_range=int(np.count_nonzero((depth > source.min_depth) & (depth < source.max_depth))),
        full=_full(depth, coding),
    )


def _full(depth: np.ndarray, coding: DepthCoding) -> int:
    """How many pixels hold the largest value of 16 bits, where larger is farther."""
    if coding.is_inverse or coding.encoding is not None:
        return 0
    return int(np.count_nonzero(depth >= np.float32(65534.5 / coding.scale)))


def _gradient_hash(image: np.ndarray) -> bytes:
    """Signs of the horizontal differences of a 16 x 17 grey copy, as 32 bytes. Source: Krawetz's dHash."""
    grey = cv2.cvtColor(
        cv2.resize(image, (_LOOK_SIZE + 1, _LOOK_SIZE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
    )
    if grey.std() < _FLAT:
        return b""
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes()


def stored_kind(stored: Encoded | np.ndarray) -> str:
    """Type and channels as they are stored; the suffix where that cannot be told from a header."""
    if isinstance(stored, np.ndarray):
        return f"{stored.dtype} x {stored.shape[2] if stored.ndim == 3 else 1}"
    try:
        if stored.suffix == ".npy":
            array = decode_numpy(stored.data)
            return f"{array.dtype} x {array.shape[-1] if array.ndim == 3 and array.shape[0] > 1 else 1}"
        mode = kind_of(stored.data)
    except (OSError, ValueError, SyntaxError):
        return stored.suffix
    return _PILLOW_KINDS.get(mode, mode)
