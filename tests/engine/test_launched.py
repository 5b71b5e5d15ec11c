"""What a launcher has started, read from the environment alone."""

from __future__ import annotations

import pytest

from disdepth_cli.config import DistillConfig
from disdepth_cli.machine.join import together
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
    with together(config, [watcher]) as observers:
        assert observers == [watcher] and watcher.warnings == []
    launcher(ACCELERATE_USE_CPU="True", MASTER_ADDR="127.0.0.1")
    assert fell_short()
    with together(config, [watcher]):
        assert len(watcher.warnings) == 1 and "torchrun --nproc-per-node N" in watcher.warnings[0]
    launcher(WORLD_SIZE="1", LOCAL_RANK="0")
    assert not fell_short()
