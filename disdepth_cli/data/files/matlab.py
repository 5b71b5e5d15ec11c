"""Variables of MATLAB files of version 5: numbers, texts and cells, as the splits of data sets are.

SciPy's reader is compiled code that a damaged file ends with the whole process (1.17, a changed class of an array).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from disdepth_cli.errors import DataError
from disdepth_cli.reading import read_bytes, reading

MOST_BYTES = 2**28  # of one variable, unpacked
_HEADER, _ORDER = 128, 126
_MATRIX, _COMPRESSED = 14, 15
_CELL, _CHAR, _NUMBERS = 1, 4, range(6, 16)  # classes of arrays
_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}


def read_matlab(file: Path, *wanted: str) -> list[np.ndarray]:
    """Named variables of a MATLAB file of version 5, each flat; of cells, the texts.

    Raises:
        DataError: it cannot be read, or lacks one of them.
    """
    data = read_bytes(file)
    with reading(file, "is not a MATLAB file of version 5"):
        order = {b"IM": "<", b"MI": ">"}.get(data[_ORDER:_HEADER])
        if order is None:
            raise ValueError("its header has no byte order")
        held = dict(_Reader(order).variables(data[_HEADER:], set(wanted)))
    for name in wanted:
        if name not in held:
            raise DataError(f"{file}: has no {name}")
    return [held[name].reshape(-1) for name in wanted]


class _Element(NamedTuple):
    """kind: of the data, as MATLAB numbers them; end: where the next element begins."""

    kind: int
    data: bytes
    end: int


class _Reader(NamedTuple):
    """order: of bytes, as NumPy writes it."""

    order: str

    def variables(self, data: bytes, wanted: set[str]) -> Iterator[tuple[str, np.ndarray]]:
        index = 0
        while index < len(data):
            found = self.element(data, index)
            index = found.end
            if found.kind == _COMPRESSED:
                unpack = zlib.decompressobj()
                plain = unpack.decompress(found.data, MOST_BYTES)
                if unpack.unconsumed_tail or not unpack.eof:
                    raise ValueError("a variable is cut off, or too large")
                found = self.element(plain, 0)
            if found.kind == _MATRIX:
                name = self._name(found.data)
                if name in wanted:
                    yield name, self.array(found.data)

    def element(self, data: bytes, index: int) -> _Element:
        """The element at a place: a tag of eight bytes and its data, or both in eight bytes."""
        kind, size = self._words(data[index : index + 8])
        begin = index + 8
        if kind >> 16:
            kind, size, begin = kind & 0xFFFF, kind >> 16, index + 4
            end = index + 8
        else:
            end = begin + size + (0 if kind == _COMPRESSED else -size % 8)
        if begin + size > len(data) or (begin == index + 4 and size > 4):
            raise ValueError("it is cut off")
        return _Element(kind, data[begin : begin + size], end)

    def array(self, data: bytes) -> np.ndarray:
        """The numbers of a matrix, or the texts of a text or of cells."""
        flags = self.element(data, 0)
        kind = self._words(flags.data)[0] & 0xFF
        sides = self.element(data, flags.end)
        shape = tuple(np.frombuffer(sides.data, f"{self.order}i4").tolist())
        index = self.element(data, sides.end).end
        count = math.prod(shape)
        if not shape or min(shape) < 0 or count > MOST_BYTES:
            raise ValueError(f"an array of shape {shape}")
        if kind == _CELL:
            return np.array(list(self._cells(data, index, count)), object)
        if kind not in (_CHAR, *_NUMBERS):
            raise ValueError(f"an array of class {kind}, which is neither numbers, text nor cells")
        held = self.element(data, index)
        if kind == _CHAR:
            text = held.data.decode(_TEXTS[held.kind] + self._ending(held.kind))
            return np.array([text], object)
        values = np.frombuffer(held.data, self.order + _KINDS[held.kind])
        if values.size != count:
            raise ValueError(f"{values.size} numbers for an array of shape {shape}")
        return values.reshape(shape, order="F").astype(values.dtype.newbyteorder("="))

    def _cells(self, data: bytes, index: int, count: int) -> Iterator[object]:
        for _ in range(count):
            cell = self.element(data, index)
            index = cell.end
            if cell.kind != _MATRIX or self._words(self.element(cell.data, 0).data)[0] & 0xFF != _CHAR:
                raise ValueError("a cell that holds no text")
            yield self.array(cell.data)[0]

    def _name(self, data: bytes) -> str:
        sides = self.element(data, self.element(data, 0).end)
        return self.element(data, sides.end).data.decode("latin-1")

    def _words(self, data: bytes) -> tuple[int, int]:
        if len(data) != 8:
            raise ValueError("it is cut off")
        first, second = np.frombuffer(data, f"{self.order}u4").tolist()
        return first, second

    def _ending(self, kind: int) -> str:
        return "" if kind in (1, 2, 16) else {"<": "-le", ">": "-be"}[self.order]
