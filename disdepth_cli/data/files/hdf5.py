"""Images and depth maps inside HDF5 files, MATLAB's files of version 7.3 among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.data.files.location import READERS, Member
from disdepth_cli.errors import DataError


def read_entry(member: Member) -> np.ndarray:
    """An array of an HDF5 file: `NAME` is all of it, `NAME/17` its row 17, counted from 0.

    The file is opened for each read, so that no handle is shared by processes.

    Raises:
        DataError: the file or the entry is missing, or it is not an HDF5 file.
    """
    import h5py  # only such data sets need it

    name, _, row = member.entry.rpartition("/")
    try:
        with h5py.File(member.file, "r", locking="best-effort") as file:
            if name and name in file and row.isdecimal():
                return np.asarray(file[name][int(row)])
            if member.entry in file:
                return np.asarray(file[member.entry])
            held = ", ".join(sorted(file)) or "nothing"
            raise DataError(f"{member.file}: has no {member.entry}; it holds {held}")
    except FileNotFoundError:
        raise DataError(f"{member.file}: does not exist") from None
    except (OSError, IndexError, ValueError) as error:
        raise DataError(f"{member}: cannot be read ({' '.join(str(error).split())[:200]})") from None


def read_matlab_entry(member: Member) -> np.ndarray:
    """As `read_entry`, with the axes reversed: MATLAB stores arrays column by column.

    Raises:
        DataError: as `read_entry`.
    """
    return read_entry(member).T


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


READERS["hdf5"] = read_entry
READERS["matlab"] = read_matlab_entry
