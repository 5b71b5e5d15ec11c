"""What a launcher has started, read from the environment alone."""

from __future__ import annotations

import os

import pytest
import torch

from disdepth_cli.config import DistillConfig
from disdepth_cli.errors import ConfigError
from disdepth_cli.machine.devices import make_accelerator
from disdepth_cli.machine.environment import OTHER_WAYS
from disdepth_cli.machine.join import joined_processes
from disdepth_cli.machine.launch import RANKS, SIZES, fell_short, launched


@pytest.fixture
def launcher(monkeypatch):
    """`launcher(**variables)`: the environment is that of a launcher that sets just these."""
    for name in (*RANKS, *SIZES, "LOCAL_RANK", "MASTER_ADDR", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    return lambda **variables: [monkeypatch.setenv(name, value) for name, value in variables.items()]


def test_rank_and_number(launcher):
    assert launched() == (0, 1)
    launcher(RANK="3")  # a leftover: nobody says that there are others
    assert launched() == (0, 1)
    launcher(WORLD_SIZE="4")
    assert launched() == (3, 4)


def test_mpirun_is_understood(launcher):
    launcher(OMPI_COMM_WORLD_RANK="1", OMPI_COMM_WORLD_SIZE="2")
    assert launched() == (1, 2)


def test_a_launcher_that_starts_fewer_than_it_was_asked_for_is_told_of(launcher, watcher):
    config = DistillConfig(data="x")
    with joined_processes(config.machine, config.loop, watcher) as observer:
        assert observer is watcher and watcher.warnings == []
    launcher(ACCELERATE_USE_CPU="True", MASTER_ADDR="127.0.0.1")
    assert fell_short()
    with joined_processes(config.machine, config.loop, watcher):
        assert len(watcher.warnings) == 1 and "torchrun --nproc-per-node N" in watcher.warnings[0]
    launcher(WORLD_SIZE="1", LOCAL_RANK="0")
    assert not fell_short()


def test_a_number_of_processes_without_a_rank_is_one_process(launcher, watcher):
    launcher(WORLD_SIZE="4")
    assert launched() == (0, 1)
    config = DistillConfig(data="x")
    with joined_processes(config.machine, config.loop, watcher):
        assert ["WORLD_SIZE=4 is set, but no launcher" in line for line in watcher.warnings] == [True]
    accelerator = make_accelerator(DistillConfig(data="x", device="cpu").machine)  # it would wait for three others
    assert accelerator.num_processes == 1 and os.environ["WORLD_SIZE"] == "4"


@pytest.mark.parametrize(
    ("name", "value"),
    [("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4"), ("ACCELERATE_DYNAMO_BACKEND", "eager"),
     ("ACCELERATE_MIXED_PRECISION", "bf16"), ("ACCELERATE_GRADIENT_CLIPPING", "0.1")],
)  # fmt: skip
def test_accelerates_environment_changes_nothing(launcher, name, value):
    launcher(**{name: value})
    accelerator = make_accelerator(DistillConfig(data="x", device="cpu", precision="fp32").machine)
    assert accelerator.gradient_accumulation_steps == 1 and accelerator.mixed_precision == "no"
    assert accelerator.state.dynamo_plugin.backend.value == "NO" and os.environ[name] == value
    model = torch.nn.Linear(2, 1)
    assert type(accelerator.prepare(model)) is torch.nn.Linear


@pytest.mark.parametrize("name", OTHER_WAYS)
def test_other_ways_to_train_are_refused(launcher, name):
    launcher(**{name: "true"})
    with pytest.raises(ConfigError, match=f"{name}=true: training here is plain data parallel"):
        make_accelerator(DistillConfig(data="x", device="cpu").machine)
