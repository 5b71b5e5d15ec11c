"""Images and depth maps inside HDF5 files, MATLAB's files of version 7.3 among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.data.files.location import Member
from disdepth_cli.errors import DataError


@dataclass(frozen=True, slots=True)
class Hdf5Member(Member):
    """An array of an HDF5 file: the entry `NAME` is all of it, `NAME/17` its row 17, counted from 0."""

    def read(self) -> np.ndarray:
        """The array. The file is opened for each read, so that no handle is shared by processes.

        Raises:
            DataError: the file or the entry is missing, or it is not an HDF5 file.
        """
        import h5py  # only such data sets need it

        name, _, row = self.entry.rpartition("/")
        try:
            with h5py.File(self.file, "r", locking="best-effort") as file:
                if name and name in file and row.isdecimal():
                    return np.asarray(file[name][int(row)])
                if self.entry in file:
                    return np.asarray(file[self.entry])
                held = ", ".join(sorted(file)) or "nothing"
                raise DataError(f"{self.file}: has no {self.entry}; it holds {held}")
        except FileNotFoundError:
            raise DataError(f"{self.file}: does not exist") from None
        except (OSError, IndexError, ValueError) as error:
            raise DataError(f"{self}: cannot be read ({' '.join(str(error).split())[:200]})") from None


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

    try:
        with h5py.File(file, "r", locking="best-effort") as opened:
            return {name: held.shape for name, held in opened.items() if isinstance(held, h5py.Dataset)}
    except OSError as error:
        raise DataError(f"{file}: is not an HDF5 file ({' '.join(str(error).split())[:200]})") from None


def read_matlab(file: Path, *wanted: str) -> list[np.ndarray]:
    """Named variables of a MATLAB file of version 5, each flat.

    Raises:
        DataError: it cannot be read, or lacks one of them.
    """
    from scipy.io import loadmat  # only such data sets need it

    try:
        held: dict[str, Any] = loadmat(str(file), variable_names=wanted)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # scipy raises anything on other bytes: ValueError, NotImplementedError, MatReadError
        raise DataError(f"{file}: is not a MATLAB file ({' '.join(str(error).split())[:200]})") from None
    for name in wanted:
        if name not in held:
            raise DataError(f"{file}: has no {name}")
    return [np.asarray(held[name]).reshape(-1) for name in wanted]
