"""The command line in this process: starting Python anew for every command would take minutes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Keywords of the engine's training functions for a run of about a second."""
    return {
        "input_size": "64x96",
        "batch_size": 4,
        "workers": 0,
        "device": "cpu",
        "pretrained": False,
        "max_steps": 2,
        "offline": True,
    }


@pytest.fixture(scope="session")
def short() -> tuple[str, ...]:
    """The same as options of the command line; acclimate takes all but the last."""
    run = ("--input-size", "64x96", "--batch-size", "4", "--workers", "0", "--device", "cpu", "--max-steps", "2")
    return (*run, "--offline", "--no-pretrained")


@pytest.fixture(scope="session")
def control(rooms, tiny, tmp_path_factory) -> Path:
    """The run folder of a student that was trained without a teacher."""
    from disdepth_cli import distill

    run = tmp_path_factory.mktemp("students") / "control"
    distill(data=rooms, output=run, distill=False, **tiny)
    return run


@pytest.fixture(scope="session")
def student(control) -> Path:
    """A student checkpoint."""
    return control / "student.safetensors"


@pytest.fixture
def own_rooms(rooms, tmp_path) -> Path:
    """A copy of the rooms that a test may spoil."""
    return Path(shutil.copytree(rooms.parent, tmp_path / "rooms")) / "data.yaml"


@pytest.fixture(scope="session")
def photo(rooms) -> Path:
    """One image."""
    return sorted((rooms.parent / "rgb").iterdir())[0]
