"""MATLAB files of version 5: what SciPy writes, what MATLAB writes, and damage that ended SciPy's reader."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from disdepth_cli.data.files import matlab
from disdepth_cli.data.files.matlab import read_matlab
from disdepth_cli.errors import DataError

TEXTS = np.empty((1, 3), object)
TEXTS[0] = ["/n/fs/a", "", "b"]
HELD = {
    "few": np.array([[1], [3]]),
    "doubles": np.linspace(0, 1, 7)[None],
    "bytes": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "signed": np.array([-3, 4], np.int16),
    "large": np.array([2**40]),
    "none": np.zeros((0, 1)),
    "texts": TEXTS,
}


@pytest.mark.parametrize("packed", [False, True])
def test_what_scipy_reads(tmp_path: Path, packed: bool) -> None:
    scipy.io.savemat(tmp_path / "a.mat", HELD, do_compression=packed)
    theirs = scipy.io.loadmat(tmp_path / "a.mat")
    for name, ours in zip(HELD, read_matlab(tmp_path / "a.mat", *HELD), strict=True):
        if name == "texts":
            assert ours.tolist() == ["/n/fs/a", "", "b"]
        else:
            np.testing.assert_array_equal(ours, theirs[name].reshape(-1))


def test_the_other_byte_order(tmp_path: Path) -> None:
    """Written by hand, as of a machine that stores the largest byte first; the numbers are stored in fewer bytes."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    name = struct.pack(">I", 1 << 16 | 1) + b"x\0\0\0"  # size and kind in one word
    matrix = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 2, 2)) + name
    matrix += element(4, struct.pack(">4H", 1, 2, 3, 500))
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\1\0MI"
    (tmp_path / "a.mat").write_bytes(header + element(14, matrix))
    assert read_matlab(tmp_path / "a.mat", "x")[0].tolist() == [1, 3, 2, 500]
    assert scipy.io.loadmat(tmp_path / "a.mat")["x"].reshape(-1).tolist() == [1, 3, 2, 500]


def test_a_changed_class_of_an_array_is_one_line(tmp_path: Path) -> None:
    """SciPy 1.17 ends the process with a segmentation fault on this file."""
    file = io.BytesIO()
    scipy.io.savemat(file, {"trainNdxs": np.arange(20)})
    data = bytearray(file.getvalue())
    place = data.index(struct.pack("<II", 6, 8)) + 9
    for damage in (0x10, 0x02, 0xFF):
        data[place - 1] = damage
        (tmp_path / "a.mat").write_bytes(data)
        with pytest.raises(DataError, match=r"a\.mat: is not a MATLAB file of version 5 \(an array of class"):
            read_matlab(tmp_path / "a.mat", "trainNdxs")


def test_a_small_file_that_unpacks_to_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"x": np.zeros(10**6)}, do_compression=True)
    assert read_matlab(tmp_path / "a.mat", "x")[0].size == 10**6
    monkeypatch.setattr(matlab, "MOST_BYTES", 10**6)
    with pytest.raises(DataError, match="too large"):
        read_matlab(tmp_path / "a.mat", "x")
