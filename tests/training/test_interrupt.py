"""What a request to stop does to the signals of workers that end late."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from disdepth_cli.machine.processes import load_shared
from disdepth_cli.machine.signals import StopSignal

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGCHLD"), reason="this system has no SIGCHLD")


def as_torch_does(number, frame):
    """PyTorch's handler raises wherever the program is when a worker of a loader has been killed."""
    raise RuntimeError("DataLoader worker is killed by signal: Terminated.")


@pytest.fixture
def torchs_handler():
    before = signal.signal(signal.SIGCHLD, as_torch_does)
    yield
    signal.signal(signal.SIGCHLD, before)


def child_ends():
    subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.parametrize("when", ["within", "after"])
def test_a_worker_that_ends_after_the_request_raises_nothing(torchs_handler, when):
    stop = StopSignal()
    with stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
        if when == "within":
            child_ends()
    if when == "after":
        child_ends()


def test_without_a_request_a_dead_worker_is_told_at_once(torchs_handler):
    with StopSignal(), pytest.raises(RuntimeError, match="killed"):
        child_ends()


class Broken:
    """A loader's iterator whose workers are gone."""

    def __init__(self, error):
        self.error = error

    def __next__(self):
        raise self.error


@pytest.mark.parametrize(
    "broken", [RuntimeError("worker is killed"), ConnectionResetError(104, "reset"), EOFError(), StopIteration()]
)
def test_a_batch_that_workers_could_not_hand_over_is_an_empty_one_once_a_stop_is_asked_for(broken):
    stop = StopSignal()
    with pytest.raises(type(broken)):
        load_shared(Broken(broken), stop)
    stop.requested = True
    batch, shared = load_shared(Broken(broken), stop)
    assert not len(batch) and shared.empty and shared.stop
