"""Runs of a second or two, made by the engine itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml


class Watcher:
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.parts: list[dict[str, float]] = []

    def on_step(self, progress: Any) -> None:
        self.parts.append(progress.parts)

    def on_note(self, message: str) -> None:
        self.notes.append(message)

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture(scope="session")
def new_watcher() -> type[Watcher]:
    """For a run that several tests look at, or a second one in a test."""
    return Watcher


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Keywords of a training run that takes a second."""
    return {"input_size": "64x96", "batch_size": 4, "workers": 0, "device": "cpu", "pretrained": False, "offline": True}


@pytest.fixture(scope="session")
def photos(rooms, tmp_path_factory) -> Path:
    """The rooms' images alone: no depth anywhere."""
    folder = tmp_path_factory.mktemp("photos")
    for image in (rooms.parent / "rgb").iterdir():
        shutil.copy(image, folder)
    return folder


@pytest.fixture(scope="session")
def mixed(rooms, photos, tmp_path_factory) -> Path:
    """data.yaml of the rooms, six of the labelled ones and the others, as if they had no depth."""
    values = yaml.safe_load(rooms.read_text())
    lines = (rooms.parent / values["train"]).read_text().splitlines()
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "few.txt").write_text("\n".join(lines[:6]))
    (folder / "rest.txt").write_text("\n".join(lines[6:]))
    values |= {"path": str(rooms.parent), "train": str(folder / "few.txt"), "unlabeled": str(folder / "rest.txt")}
    (folder / "data.yaml").write_text(yaml.safe_dump(values))
    return folder / "data.yaml"
