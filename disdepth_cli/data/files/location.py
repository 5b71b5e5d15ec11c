"""Where an image or a depth map lies: in a file of its own, or as one entry of a file that holds many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from disdepth_cli.errors import DataError
from disdepth_cli.reading import read_bytes


class Encoded(NamedTuple):
    """The bytes of an image or depth file, and the suffix that says how they are read (lower case, with its dot)."""

    data: bytes
    suffix: str


@dataclass(frozen=True, slots=True)
class Member(ABC):
    """One entry of a file that holds many. It prints as `FILE:ENTRY`. Each kind of file has a class of its own.

    file: its path or URL. entry: what finds the entry in it, such as a member's name or `depths/17`.
    """

    file: str
    entry: str

    def __str__(self) -> str:
        return f"{self.file}:{self.entry}"

    @abstractmethod
    def read(self) -> Encoded | np.ndarray:
        """Encoded bytes, or the array that is stored. Several threads may read at once.

        Raises:
            DataError: it cannot be read; decoders may raise errors of their own.
        """


Location = Path | Member


def suffix_of(location: Location) -> str:
    """The suffix of a file or entry, lower case, with its dot; empty where there is none."""
    name = location.entry if isinstance(location, Member) else str(location)
    return PurePosixPath(name).suffix.lower()


def fetch(location: Location) -> Encoded | np.ndarray:
    """What lies there: encoded bytes, or the array of a file that stores arrays.

    Raises:
        DataError: it is missing, empty or cannot be read.
    """
    if isinstance(location, Member):
        stored = location.read()
        if isinstance(stored, Encoded) and not stored.data:
            raise DataError(f"{location}: is empty; replace or remove it")
        return stored
    data = read_bytes(location, of_pixels=True)
    if not data:
        raise DataError(f"{location}: is empty; replace or remove it")
    return Encoded(data, suffix_of(location))
