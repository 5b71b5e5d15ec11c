"""A student on the Hub is taken wherever a student is: byte for byte, at a revision, from the cache alone."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
import torch

import disdepth_cli
from disdepth_cli import DepthStudent, load_student
from disdepth_cli.checkpoint.locate import student_file
from disdepth_cli.errors import CheckpointError
from disdepth_cli.models.student import load_checkpoint

ID = "someone/rooms"


@pytest.fixture
def pushed(hub, student):
    """The Hub with a repository as `disdepth push` makes it (test_push.py), filled without the client."""
    hub.publish(ID, {"student.safetensors": student.read_bytes(), "README.md": b"", "config.json": b"{}"})
    return hub


@pytest.fixture
def scoring(rooms):
    return ("--data", rooms, "--device", "cpu", "--workers", "0")


def same_weights(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_the_file_and_the_depth_are_the_same(pushed, student):
    assert student_file(ID).read_bytes() == student.read_bytes()
    here, there = load_student(student), load_student(ID)
    assert same_weights(here, there)
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(here(image).depth, there(image).depth)


@pytest.mark.parametrize("kind", ["hub", "file", "folder", "bundled"])
def test_from_pretrained(kind, pushed, student, control):
    name = {"hub": ID, "file": student, "folder": str(control), "bundled": "bundled"}[kind]
    model = DepthStudent.from_pretrained(name)
    assert isinstance(model, DepthStudent) and not model.training
    assert same_weights(model, load_student(name))
    assert disdepth_cli.DepthStudent is DepthStudent


def test_what_is_here_wins_and_nobody_is_asked(pushed, control, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(control, tmp_path / "someone" / "rooms")
    assert load_student(ID) is not None
    assert pushed.requests == []


def test_a_revision_and_the_cache_offline(pushed, student):
    repository = pushed.repositories[ID]
    first = repository.branches["main"]
    repository.add("main", {"README.md": b"emptied"})
    repository.branches["v1"] = first
    for revision in ("v1", first):
        assert same_weights(load_student(ID, revision=revision), load_student(student))
    pushed.requests.clear()
    assert same_weights(load_student(ID, revision="v1", offline=True), load_student(student))
    assert same_weights(load_student(ID, revision=first, offline=True), load_student(student))
    assert pushed.requests == []
    with pytest.raises(CheckpointError, match=r"someone/rooms: .*holds no student\.safetensors"):
        load_student(ID)
    with pytest.raises(CheckpointError, match="has no revision 'v9'"):
        load_student(ID, revision="v9")


def test_nothing_but_safetensors_is_fetched(pushed, student):
    repository = pushed.repositories[ID]
    bomb = pickle.dumps(print)
    repository.add("main", {**pushed.files(ID), "pytorch_model.bin": bomb, "student.pt": bomb, "code.py": b"1/0"})
    folder = student_file(ID).parent
    assert {path.name for path in folder.iterdir()} == {"student.safetensors", "README.md", "config.json"}
    repository.add("main", {"student.safetensors": bomb, "README.md": b""})
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_student(ID)


@pytest.mark.parametrize(
    ("failures", "words"),
    [
        ({"/api/models": 401}, ("may not be read with your account", "hf auth login", "no such file or folder here")),
        ({"/api/models": 403}, ("may not be read with your account", "hf auth login")),
        ({"/api/models": 500}, ("cannot be fetched", "500", "try again")),
        ({"/resolve/": 403}, ("may not be read with your account",)),
    ],
)
def test_what_the_hub_refuses_to_give(failures, words, pushed, refused, photo, scoring, tmp_path):
    pushed.failures = failures
    refused(1, (ID, *words), "predict", photo, "-c", ID, "-o", tmp_path / "out", "--device", "cpu")
    refused(1, (ID, *words), "evaluate", ID, *scoring)
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_nowhere(hub, refused, photo, student, scoring, tmp_path):
    predict = ("predict", photo, "-o", tmp_path / "out", "--device", "cpu", "-c")
    words = ("runs/mistyped", "is not on the Hub", "no such file or folder here")
    refused(1, words, *predict, "runs/mistyped")
    refused(1, ("runs/no.safetensors", "no such checkpoint"), *predict, "runs/no.safetensors")
    refused(1, ("someone/other", "not in the local cache", "--offline"), *predict, "someone/other", "--offline")
    refused(1, ("is not on the Hub, so it has no revisions",), *predict, student, "--revision", "main")
    refused(1, ("is not on the Hub, so it has no revisions",), "evaluate", student, *scoring, "--revision", "main")


def test_predict_and_evaluate_take_the_id(pushed, cli, student, photo, scoring, tmp_path):
    command = ("predict", photo, "--save-numpy", "--device", "cpu", "--json")
    far = cli(*command, "-c", ID, "-o", tmp_path / "far")
    near = cli(*command, "-c", student, "-o", tmp_path / "near")
    assert far.code == near.code == 0, far.err
    assert far.json["checkpoint"] == ID
    depths = [np.load(outcome.json["results"][0]["numpy"]) for outcome in (far, near)]
    assert np.array_equal(*depths)
    scores = [cli("evaluate", model, *scoring, "--json").json for model in (ID, student)]
    assert scores[0]["rmse"] == scores[1]["rmse"] and scores[0]["model"] == ID
    offline = cli("evaluate", ID, *scoring, "--offline", "--json")
    assert offline.code == 0 and offline.json["rmse"] == scores[0]["rmse"]


def test_a_teacher_on_the_hub_is_told_from_a_student(hub, cli, tiny_teacher, scoring):
    hub.publish("someone/teacher", {path.name: path.read_bytes() for path in tiny_teacher.iterdir()})
    near = cli("evaluate", tiny_teacher, *scoring, "--json")
    far = cli("evaluate", "someone/teacher", *scoring, "--json")
    assert far.code == 0, far.err
    assert far.json["rmse"] == near.json["rmse"]
    hub.requests.clear()
    offline = cli("evaluate", "someone/teacher", *scoring, "--json", "--offline")
    assert offline.code == 0 and offline.json["rmse"] == near.json["rmse"] and hub.requests == []


@pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # as in test_push.py
def test_a_student_is_no_teacher(hub, cli, refused, student):
    assert cli("push", student, "--to", ID).code == 0
    refused(1, (ID, "is a student of disdepth, not a teacher"), "acclimate", "--teacher", ID, "--dry-run")


def test_the_metadata_comes_along(pushed, student):
    assert load_checkpoint(ID)[1] == load_checkpoint(student)[1]
