"""A folder as a newcomer has it: an image, a data set and a teacher."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def desk(rooms, tiny_teacher, tmp_path, monkeypatch) -> Path:
    """The current folder, with `image.png`, `other.png`, `data.yaml` and its files, and `teacher/`."""
    shutil.copytree(rooms.parent, tmp_path, dirs_exist_ok=True)
    shutil.copytree(tiny_teacher, tmp_path / "teacher")
    for name, image in zip(("image.png", "other.png"), sorted((tmp_path / "rgb").iterdir()), strict=False):
        shutil.copy(image, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
