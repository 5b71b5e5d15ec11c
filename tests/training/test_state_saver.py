"""The state of a run is written while it goes on: by time, after validations, of one step, in its memory format."""

from __future__ import annotations

import json
import threading
import time

import pytest
import torch
from torch import nn

from disdepth_cli import distill
from disdepth_cli.errors import DisdepthError
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.runs.state import Parts, pack, unpack
from disdepth_cli.runs.state_file import StateFile
from disdepth_cli.training.loop.state_saver import StateSaver


def test_a_saved_state_is_of_the_step_it_was_asked_at(tmp_path, monkeypatch):
    go, whole = threading.Event(), StateFile.save

    def slow(run, tensors, state):
        assert go.wait(20)
        whole(run, tensors, state)

    monkeypatch.setattr(StateFile, "save", slow)
    run, weight = RunFolder(tmp_path), torch.zeros(3)
    saver = StateSaver(run, 0)
    saver.save({"weight": weight}, {"done": 1})
    weight += 7  # the next step, while the first is being written
    assert not run.state.file.exists()
    go.set()
    saver.save({"weight": weight}, {"done": 2})
    weight += 7
    saver.wait()
    tensors, state = run.state.load()
    assert state["done"] == 2 and tensors["weight"].tolist() == [7, 7, 7]


def test_an_error_of_the_thread_is_raised_by_the_loop(tmp_path):
    (tmp_path / "last").write_text("in the way")
    saver = StateSaver(RunFolder(tmp_path), 0)
    saver.save({"weight": torch.zeros(1)}, {})
    with pytest.raises(DisdepthError, match="cannot be written"):
        saver.save({"weight": torch.zeros(1)}, {})
    saver.wait()


@pytest.mark.slow
def test_states_are_saved_by_time_and_after_validations(rooms, tiny, tmp_path, monkeypatch):
    kept, whole = [], StateFile.save

    def save(run, tensors, state):
        kept.append(state["done"])
        whole(run, tensors, state)

    monkeypatch.setattr(StateFile, "save", save)
    options = {"data": rooms, "distill": False, "max_steps": 9, **tiny}  # 4 steps an epoch
    distill(output=tmp_path / "seldom", save_every=3600, **options)
    assert kept == [0, 4, 8, 9]
    kept.clear()
    distill(output=tmp_path / "each", save_every=0, **options)
    assert kept == list(range(10))
    assert json.loads((tmp_path / "each" / "last" / "state.json").read_text())["done"] == 9


def test_time_between_saves_is_counted_from_the_last(tmp_path, monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    saver = StateSaver(RunFolder(tmp_path), 90)
    now = 89.0
    assert not saver.is_due
    now = 91.0
    assert saver.is_due
    saver.save({"weight": torch.zeros(1)}, {})
    assert not saver.is_due
    saver.wait()


def test_moments_keep_their_weights_strides_after_a_resume(tmp_path):
    """Where they differ, an optimiser that updates many weights by one kernel falls back to one at a time."""

    def made():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, groups=8))
        net = net.to(memory_format=torch.channels_last)
        return net, torch.optim.AdamW(net.parameters())

    def stepped(net, optimizer):
        optimizer.zero_grad()
        net(torch.ones(1, 4, 8, 8)).square().mean().backward()
        optimizer.step()

    net, optimizer = made()
    stepped(net, optimizer)
    run, (again, resumed) = RunFolder(tmp_path), made()
    run.state.save(*pack(Parts(net, None, optimizer, None), {"done": 1}))
    unpack(Parts(again, None, resumed, None), *run.state.load())
    for weight in again.parameters():
        assert resumed.state[weight]["exp_avg"].stride() == weight.stride()
        assert resumed.state[weight]["exp_avg_sq"].stride() == weight.stride()
    stepped(net, optimizer)
    stepped(again, resumed)
    assert all(torch.equal(one, other) for one, other in zip(net.parameters(), again.parameters(), strict=True))
