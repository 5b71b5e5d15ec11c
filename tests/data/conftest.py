"""Tiny files for the data tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
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
