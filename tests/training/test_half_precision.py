"""float16: steps that overflow are counted, and the loss's own sums do not overflow."""

from __future__ import annotations

import pytest
import torch

from disdepth_cli import distill
from disdepth_cli.errors import TrainingError
from disdepth_cli.losses.attentive import attentive_loss, dice_diversity
from disdepth_cli.training import session
from disdepth_cli.training.loop.skips import SCALE_HALVINGS


@pytest.fixture
def scaled(monkeypatch):
    """`scaled(scale)`: runs have a gradient scaler that starts there, as with float16 on CUDA."""
    whole = session.make_accelerator

    def start(scale):
        def make(config):
            accelerator = whole(config)
            accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
            # accelerate does this itself where the precision is fp16, which it refuses on a CPU.
            accelerator.unscale_gradients = lambda: [
                accelerator.scaler.unscale_(one.optimizer) for one in accelerator._optimizers
            ]
            return accelerator

        monkeypatch.setattr(session, "make_accelerator", make)

    return start


def test_steps_that_a_scaler_skips_are_counted(scaled, rooms, tiny, tmp_path, watcher):
    scaled(2.0**127)  # float32's end is near: the first steps overflow, and each halves the scale
    report = distill(data=rooms, distill=False, max_steps=14, output=tmp_path / "run", observers=[watcher], **tiny)
    assert 0 < report["skipped_steps"] < 14
    told = [line for line in watcher.warnings if "non-finite float16 gradient, step skipped" in line]
    assert len(told) == report["skipped_steps"]
    assert report["final"]["rmse"] > 0


def test_they_are_limited_too(scaled, rooms, tiny, tmp_path):
    scaled(float("inf"))  # never found
    with pytest.raises(TrainingError, match=f"{SCALE_HALVINGS + 2} steps in a row had a non-finite float16 gradient"):
        distill(data=rooms, distill=False, max_steps=60, max_nonfinite=2, output=tmp_path / "run", **tiny)


def test_sums_over_a_map_stay_finite_under_float16_autocast():
    masks = torch.full((2, 3, 300, 400), 0.9)
    with torch.autocast("cpu", torch.float16):
        diversity = dice_diversity(masks)
        loss = attentive_loss(torch.full((2, 4, 300, 400), 9.0), torch.zeros(2, 4, 300, 400), masks)
    assert diversity.item() == pytest.approx(1.0, rel=1e-3)
    assert loss.item() == pytest.approx(81.0, rel=2e-3)
