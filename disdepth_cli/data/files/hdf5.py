"""Images and depth maps inside HDF5 files, MATLAB's files of version 7.3 among them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.data.files.location import Member
from disdepth_cli.errors import DataError
from disdepth_cli.reading import check_pixels, read_bytes, reading


@dataclass(frozen=True, slots=True)
class Hdf5Member(Member):
    """An array of an HDF5 file: the entry `NAME` is all of it, `NAME/17` its row 17, counted from 0."""

    def read(self) -> np.ndarray:
        """The array. The file is opened for each read, so that no handle is shared by processes.

        Raises:
            DataError: the file or the entry is missing, or it is not an HDF5 file.
        """
        name, _, row = self.entry.rpartition("/")
        with reading(self, "cannot be read"), _opened(Path(self.file)) as file:
            if name and name in file and row.isdecimal():
                stored = _own(file, name)
                _check_size(stored.shape[1:], stored.dtype)
                return np.asarray(stored[int(row)])
            if self.entry in file:
                stored = _own(file, self.entry)
                _check_size(stored.shape, stored.dtype)
                return np.asarray(stored)
            there = ", ".join(sorted(file)) or "nothing"
            raise DataError(f"{self.file}: has no {self.entry}; it holds {there}")


def _opened(file: Path) -> Any:
    """An HDF5 file, open.

    Raises:
        DataError: there is none.
    """
    import h5py  # only such data sets need it

    if not file.is_file():
        raise DataError(f"{file}: {'is not a file' if file.exists() else 'does not exist'}")
    return h5py.File(file, "r", locking="best-effort")


def _own(file: Any, name: str) -> Any:
    """An array whose numbers lie in this very file: HDF5 may name any other file of the machine as theirs.

    Raises:
        ValueError: they lie elsewhere, or it is no array.
    """
    import h5py

    stored = file[name]
    if not isinstance(stored, h5py.Dataset):
        raise ValueError(f"{name} is no array")
    if stored.external or stored.is_virtual or stored.file.filename != file.filename:
        raise ValueError("its numbers lie in another file, which is never read")
    return stored


def _check_size(shape: tuple[int, ...], kind: np.dtype) -> None:
    if kind.hasobject:
        raise ValueError("it holds no plain numbers")
    check_pixels(*shape)


@dataclass(frozen=True, slots=True)
class MatlabMember(Hdf5Member):
    """As `Hdf5Member`, with the axes reversed: MATLAB stores arrays column by column."""

    def read(self) -> np.ndarray:
        """The array.

        Raises:
            DataError: as `Hdf5Member.read`.
        """
        return Hdf5Member.read(self).T


def names(file: Path) -> Mapping[str, tuple[int, ...]]:
    """Name -> shape, as stored, of the arrays at the top of an HDF5 file.

    Raises:
        DataError: it is not one.
    """
    import h5py

    with reading(file, "is not an HDF5 file"), _opened(file) as opened:
        return {name: stored.shape for name, stored in opened.items() if isinstance(stored, h5py.Dataset)}


def read_matlab(file: Path, *wanted: str) -> list[np.ndarray]:
    """Named variables of a MATLAB file of version 5, each flat.

    Raises:
        DataError: it cannot be read, or lacks one of them.
    """
    from scipy.io import loadmat  # only such data sets need it

    data = read_bytes(file)
    with reading(file, "is not a MATLAB file"):
        stored: dict[str, Any] = loadmat(io.BytesIO(data), variable_names=wanted)
    for name in wanted:
        if name not in stored:
            raise DataError(f"{file}: has no {name}")
    return [np.asarray(stored[name]).reshape(-1) for name in wanted]
