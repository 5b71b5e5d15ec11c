"""The scripts of examples/ run, on rendered rooms with the tiny teacher, and do what they say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from disdepth_cli import Depth, load_student
from disdepth_cli.checkpoint.locate import TINY_TEACHER
from disdepth_cli.demo.rooms import write_rooms

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(file.stem for file in EXAMPLES.glob("*.py"))
LONGEST = 60
SHORT = {"input_size": "64x96", "max_steps": 2, "workers": 0, "batch_size": 4}


def script(name: str) -> ModuleType:
    """A script as a module; its `main` is what the command line calls."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def photo(rooms: Path) -> Path:
    return rooms.parent / "rgb" / "0001.png"


def test_predict(photo: Path, tmp_path: Path) -> None:
    depth = script("predict").main(str(photo), str(tmp_path / "depth.png"))
    exact = load_student("bundled").predict(photo)
    assert isinstance(depth, Depth) and np.abs(depth.values - exact.values).max() <= 0.0005 + 1e-6


@pytest.mark.slow
def test_train(rooms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {**SHORT, "student": "mobilenetv3", "pretrained": False}
    found = script("train").main(str(rooms), str(TINY_TEACHER), str(tmp_path), options)
    assert found["rmse"] > 0 and {"teacher", "student", "student-control"} <= {one.name for one in tmp_path.iterdir()}
    assert "step 2: RMSE" in capsys.readouterr().out


def test_own_teacher(rooms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))
    module = script("own_teacher")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    run = module.main(str(rooms), str(tmp_path / "run"), student="mobilenetv3", **SHORT)
    assert load_student(run).predict(rooms.parent / "rgb" / "0001.png").unit == "metres"


def test_own_loss(photo: Path, tmp_path: Path) -> None:
    """On two images its loss falls, and what it saves is a student: not the one that it began with."""
    write_rooms(tmp_path / "two", 3, 64, 96, seed=1)
    data, file = tmp_path / "two" / "data.yaml", tmp_path / "own.safetensors"
    losses = script("own_loss").main(str(data), str(TINY_TEACHER), str(file), steps=5, batch=2)
    assert len(losses) == 5 and losses[-1] < losses[0]
    before, after = (load_student(name).predict(photo).values for name in ("bundled", str(file)))
    assert np.abs(before - after).max() > 0.01


def test_export(photo: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra `export`")
    depth = script("export").main("bundled", str(photo), str(tmp_path / "out"))
    wanted = load_student("bundled").predict(photo).values
    assert (np.abs(depth - wanted) / wanted).mean() < 1e-5


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_short_and_say_how_they_are_called(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST
    assert f"python examples/{name}.py " in text.split('"""')[1]


def test_every_script_has_its_test() -> None:
    assert {f"test_{name}" for name in SCRIPTS} <= set(globals())
