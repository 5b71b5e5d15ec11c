"""Runs of a second or two, made by the engine itself."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Keywords of a training run that takes a second."""
    return {"input_size": "64x96", "batch_size": 4, "workers": 0, "device": "cpu", "pretrained": False, "offline": True}
