"""Tiny files for the data tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

MakePairs = Callable[..., Path]


@pytest.fixture
def make_pairs(tmp_path: Path) -> MakePairs:
    """A folder with rgb/NNNN.png and depth/NNNN.png (uint16, 2 m everywhere unless told otherwise)."""

    def make(count: int, size: tuple[int, int] = (48, 64), stored: int = 2000, name: str = "set") -> Path:
        root = tmp_path / name
        (root / "rgb").mkdir(parents=True)
        (root / "depth").mkdir()
        rng = np.random.default_rng(count)
        for number in range(count):
            image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            cv2.imwrite(str(root / "rgb" / f"{number:04d}.png"), image)
            cv2.imwrite(str(root / "depth" / f"{number:04d}.png"), np.full(size, stored, np.uint16))
        return root

    return make


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(name, array)` writes an image (8-bit colours), 16-bit depth, .npy or .hdf5 below `tmp_path / "tree"`.

    Without an array: an 8x12 image. A string is a text file.
    """

    def save(name: str, held: np.ndarray | str | None = None) -> Path:
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        held = np.full((8, 12, 3), 90, np.uint8) if held is None else held
        if isinstance(held, str):
            path.write_text(held)
        elif path.suffix == ".npy":
            np.save(path, held)
        elif path.suffix == ".hdf5":
            with h5py.File(path, "w") as file:
                file["dataset"] = held
        else:
            assert cv2.imwrite(str(path), held)
        return path

    return save
