"""Which views and steps a run has: views of a seed of their own, validations every few epochs."""

from __future__ import annotations

import csv

import pytest
import torch

from disdepth_cli import distill
from disdepth_cli.config import DistillConfig
from disdepth_cli.errors import ConfigError, Interrupted
from disdepth_cli.models.student import load_student
from disdepth_cli.training.loop.loop import TrainingLoop
from disdepth_cli.training.loop.task import Schedule
from disdepth_cli.training.prepare import prepare_data

OTHER = 7919  # what a second phase adds to the seed


@pytest.fixture
def drawn(rooms):
    """`drawn(run_seed, offset, **augment)` -> the keys and the views of a run's first two epochs, 17 images each."""

    def draw(run_seed, offset=0, **augment):
        common = {"data": rooms, "input_size": "64x96", "batch_size": 17, "workers": 0}
        config = DistillConfig(**common, seed=run_seed, augment={"crop_size": "32x64", **augment})
        keys, views = [], {}
        for batch in prepare_data(config).batches(config.loop.batch_size, 0, 1, run_seed + offset)(0, 2):
            keys += batch.keys
            for key, image in zip(batch.keys, batch.to(torch.device("cpu")).image, strict=True):
                views.setdefault(key, []).append(image)
        return keys, views

    return draw


def alike(one, other):
    """How many views of one are views of the other too."""
    return sum(any(torch.equal(a, b) for b in other[key]) for key in one for a in one[key])


def test_without_a_seed_of_their_own_views_follow_the_runs(drawn):
    (keys, views), (again, same) = drawn(3), drawn(3)
    assert keys == again and alike(views, same) == 34
    for seed, offset in ((4, 0), (3, OTHER)):
        others, changed = drawn(seed, offset)
        assert others != keys and alike(views, changed) == 0
    assert alike(drawn(3, 5)[1], drawn(8)[1]) == 34  # what the two phases of a run always were


def test_a_seed_of_their_own_keeps_the_views_and_leaves_the_order(drawn):
    (keys, views), (others, same) = drawn(3, seed=1), drawn(4, seed=1)
    assert keys == drawn(3)[0] and others == drawn(4)[0] != keys
    assert alike(views, same) == 34
    assert alike(views, drawn(1)[1]) == 34
    assert alike(views, drawn(3, OTHER, seed=1)[1]) == 0  # a second phase sees others


@pytest.mark.parametrize("augment", [{"views": 1, "seed": 1}, {"views": 1}])
def test_a_fixed_number_of_views_is_all_that_a_run_sees(augment, drawn):
    keys, views = drawn(3, **augment)
    assert all(len(two) == 2 and torch.equal(*two) for two in views.values())
    others, phase = drawn(3, OTHER, **augment)
    assert others != keys and alike(views, phase) == 34


def test_validations_every_few_epochs_and_at_the_end():
    every = Schedule(total_steps=14, steps_per_epoch=4)
    assert [step for step in range(1, 15) if every.validates_after(step)] == [4, 8, 12, 14]
    config = DistillConfig(data="x", epochs=7, validate_every=3)
    third = Schedule.plan(config.loop, 4)
    assert [step for step in range(1, 29) if third.validates_after(step)] == [12, 24, 28]
    with pytest.raises(ValueError, match="validate_every"):
        DistillConfig(data="x", validate_every=0)


@pytest.mark.slow
def test_a_run_that_validates_less_often_resumes_to_the_same_bytes(rooms, tiny, monkeypatch, tmp_path):
    options = {"data": rooms, "distill": False, "max_steps": 14, "validate_every": 2, "save_every": 0, **tiny}
    report = distill(output=tmp_path / "whole", **options)
    with open(tmp_path / "whole" / "metrics.csv", newline="") as handle:
        rows = [(row["step"], row["epoch"]) for row in csv.DictReader(handle) if row["split"] == "val"]
    assert rows == [("8", "2"), ("14", "4")] and report["best_step"] in (8, 14)

    take = TrainingLoop.take_step

    def stopped(self, batches):
        taken = take(self, batches)
        self.stopping = self.done == 7  # in the middle of an epoch after which nothing is validated
        return taken

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(TrainingLoop, "take_step", stopped)
        distill(output=tmp_path / "stopped", **options)
    with pytest.raises(ConfigError, match="--validate-every: .*started with 2, not 1"):
        distill(output=tmp_path / "stopped", resume=True, **options | {"validate_every": 1})
    distill(output=tmp_path / "stopped", resume=True, **options)
    one, other = (tmp_path / run / "student.safetensors" for run in ("whole", "stopped"))
    assert one.read_bytes() == other.read_bytes() and load_student(one)
