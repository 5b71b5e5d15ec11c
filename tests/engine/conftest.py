"""Runs of a second or two, made by the engine itself."""

from __future__ import annotations

from typing import Any

import pytest

from disdepth_cli.results.training import DistillReport


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Keywords of a training run that takes a second."""
    return {"input_size": "64x96", "batch_size": 4, "workers": 0, "device": "cpu", "pretrained": False, "offline": True}


@pytest.fixture(scope="session")
def bare_report():
    """`bare_report(**known)`: the report of a run that trained nothing, with what is known."""
    counts = {"steps": 0, "seconds": 0.0, "images_per_second": 0.0, "best_step": 0, "skipped_steps": 0}
    words = {"run": "run", "output_kind": "metric_depth", "scored_against": "ground truth"}
    nothing = {
        "protocol": {},
        "best": {},
        "final": {},
        "corrupt_files": [],
        "images": {},
        "cost": {},
        "distilled": True,
    }
    return lambda **known: DistillReport(**{**counts, **words, **nothing, **known})
