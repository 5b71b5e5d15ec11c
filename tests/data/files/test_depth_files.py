"""Depth files of other programs, and arrays with an axis too many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from disdepth_cli.data.files.images import read_depth
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError

METRES = np.linspace(0.5, 9.5, 12 * 16, dtype=np.float32).reshape(12, 16)
MILLIMETRES = (METRES * 1000).astype(np.uint16)


def pfm(values: np.ndarray, order: str = "<") -> bytes:
    head = f"Pf\n{values.shape[1]} {values.shape[0]}\n{'-' if order == '<' else ''}1.0\n".encode()
    return head + values[::-1].astype(f"{order}f4").tobytes()


def pgm(values: np.ndarray, largest: int) -> bytes:
    head = f"P5\n# a comment\n{values.shape[1]} {values.shape[0]}\n{largest}\n".encode()
    return head + values.astype(">u2" if largest > 255 else "u1").tobytes()


def plain_pgm(values: np.ndarray, largest: int) -> bytes:
    rows = "\n".join(" ".join(map(str, row)) for row in values.tolist())
    return f"P2 {values.shape[1]} {values.shape[0]} {largest}\n{rows}\n".encode()


def sintel(values: np.ndarray) -> bytes:
    sides = np.array(values.shape[::-1], "<i4").tobytes()
    return np.float32(202021.25).tobytes() + sides + values.astype("<f4").tobytes()


def colmap(values: np.ndarray) -> bytes:
    return f"{values.shape[1]}&{values.shape[0]}&1&".encode() + values.astype("<f4").tobytes()


FILES = {
    "little.pfm": (pfm(METRES), 1),
    "big.pfm": (pfm(METRES, ">"), 1),
    "a.pgm": (pgm(MILLIMETRES, 65535), 1000),
    "twelve.pgm": (pgm(MILLIMETRES // 4, 4095), 250),
    "small.pgm": (pgm((METRES * 10).astype(np.uint8), 100), 10),
    "plain.pgm": (plain_pgm(MILLIMETRES, 9999), 1000),
    "sintel.dpt": (sintel(METRES), 1),
    "a.jpg.geometric.bin": (colmap(METRES), 1),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_programs(tmp_path: Path, name: str) -> None:
    data, scale = FILES[name]
    (tmp_path / name).write_bytes(data)
    np.testing.assert_allclose(read_depth(tmp_path / name, scale), METRES, atol=0 if scale == 1 else 1 / scale)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("spoil", ["half", "one byte", "empty", "other"])
def test_damaged_ones_are_one_line(tmp_path: Path, name: str, spoil: str) -> None:
    whole = FILES[name][0].rstrip()
    cut = {"half": len(whole) // 2, "one byte": len(whole) - (6 if name == "plain.pgm" else 1), "empty": 0}
    (tmp_path / name).write_bytes(b"no depth at all" if spoil == "other" else whole[: cut[spoil]])
    with pytest.raises(DataError, match=name) as error:
        read_depth(tmp_path / name, 1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(1, 12, 16), (12, 16, 1), (1, 12, 16, 1), (1, 1, 12, 16)])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_axes_of_one_are_dropped(tmp_path: Path, shape: tuple[int, ...], suffix: str) -> None:
    if suffix == ".npz":
        np.savez(tmp_path / "a.npz", METRES.reshape(shape))
    else:
        np.save(tmp_path / "a.npy", METRES.reshape(shape))
    np.testing.assert_array_equal(read_depth(tmp_path / f"a{suffix}", 1), METRES)


def test_fortran_order_and_byte_order(tmp_path: Path) -> None:
    for number, stored in enumerate((np.asfortranarray(METRES), METRES.astype(">f8"), METRES.astype("<f2"))):
        np.save(tmp_path / f"{number}.npy", stored)
        np.testing.assert_allclose(read_depth(tmp_path / f"{number}.npy", 1), METRES, rtol=1e-3)


def test_colmaps_folders(write, tmp_path) -> None:
    for number in range(3):
        write(f"images/{number}.jpg", np.zeros((12, 16, 3), np.uint8))
        for kind in ("geometric", "photometric"):
            file = tmp_path / "tree/depth_maps" / f"{number}.jpg.{kind}.bin"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(colmap(METRES))
    source = load_source(tmp_path / "tree")
    assert [item.depth.name for item in (*source.train, *source.val)] == [f"{n}.jpg.geometric.bin" for n in range(3)]
