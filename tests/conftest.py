"""What tests of several rooms need. Everything is offline."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

os.environ["HF_HUB_OFFLINE"] = "1"
# Exported students: not the user's own, and one export for all processes of `-n`.
if "PYTEST_XDIST_WORKER" not in os.environ or "DISDEPTH_CACHE" not in os.environ:
    os.environ["DISDEPTH_CACHE"] = tempfile.mkdtemp(prefix="disdepth-tests-")
    atexit.register(shutil.rmtree, os.environ["DISDEPTH_CACHE"], ignore_errors=True)
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # tests run beside other work; spinning threads would crawl
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # each process of `-n` gets its share of the cores
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // int(workers), 1)))

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder that DISDEPTH_TEST_DATA names: real data that does not come with the project. Without it, a skip."""
    if "DISDEPTH_TEST_DATA" not in os.environ:
        pytest.skip("DISDEPTH_TEST_DATA names no folder of real data")
    return Path(os.environ["DISDEPTH_TEST_DATA"])


@pytest.fixture(scope="session")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data.yaml` of twenty rendered rooms of 64x96 pixels with exact depth; two of them are val."""
    folder = tmp_path_factory.mktemp("rooms")
    command = [sys.executable, "-m", "disdepth_cli.demo.rooms", str(folder)]
    subprocess.run([*command, "--count", "20", "--size", "64x96", "--seed", "5"], check=True, capture_output=True)
    return folder / "data.yaml"


@pytest.fixture(scope="session")
def tiny_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random metric depth teacher in Hub format, written with save_pretrained."""
    return write_tiny_teacher(tmp_path_factory.mktemp("hub") / "tiny-metric", "metric")


@pytest.fixture(scope="session")
def tiny_relative_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, relative: its depth is disparity up to scale and shift."""
    return write_tiny_teacher(tmp_path_factory.mktemp("hub") / "tiny-relative", "relative")


def write_tiny_teacher(folder: Path, kind: str) -> Path:
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=24,
        neck_hidden_sizes=[8, 12, 16, 24],
        fusion_hidden_size=12,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=10 if kind == "metric" else 1,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    return folder


TINY_RUN = ("--student", "mobilenetv2", "--input-size", "64x96", "--batch-size", "4", "--workers", "0", "--offline")


@pytest.fixture(scope="session")
def acclimated(rooms: Path, tiny_teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An acclimated run of the tiny teacher."""
    from disdepth_cli import acclimate

    run = tmp_path_factory.mktemp("runs") / "acclimated"
    options = {"input_size": "64x96", "batch_size": 4, "workers": 0, "offline": True}  # as TINY_RUN has them
    acclimate(teacher=str(tiny_teacher), data=rooms, output=run, max_steps=6, attention_steps=3, **options)
    return run


def disdepth(*args: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "disdepth_cli", *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        check=False,
    )


@pytest.fixture(scope="session")
def run_disdepth():
    """`disdepth(*args)` -> CompletedProcess."""
    return disdepth


@pytest.fixture(scope="session")
def tiny_run() -> tuple[str, ...]:
    """Options of a run that takes seconds."""
    return TINY_RUN


@pytest.fixture(scope="session")
def run_python():
    """`python(script, *args, env=...)` -> CompletedProcess of a Python program; it must succeed."""

    def python(script: str, *args: object, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, check=True)

    return python


@dataclass(frozen=True)
class Outcome:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object that stdout must be."""
        return json.loads(self.out)


@pytest.fixture
def cli(monkeypatch, capsys):
    """`cli(*args)` -> Outcome of `disdepth *args`."""

    from disdepth_cli.cli.app import main

    def run(*args: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["disdepth", *map(str, args)])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return Outcome(int(stopped.value.code or 0), out, err)

    return run


@pytest.fixture
def refused(cli):
    """`refused(code, words, *args)`: the command ends with that code and one line on stderr that has all the words."""

    def run(code: int, words: tuple[object, ...], *args: object) -> str:
        outcome = cli(*args)
        errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
        assert outcome.code == code, outcome
        assert errors == outcome.err.splitlines()[-1:] and len(errors) == 1, outcome.err
        assert "Traceback" not in outcome.err
        for word in words:
            assert str(word) in errors[0], errors[0]
        return errors[0]

    return run


@pytest.fixture(scope="session")
def photos(rooms, tmp_path_factory) -> Path:
    """The rooms' images alone: no depth anywhere."""
    folder = tmp_path_factory.mktemp("photos")
    for image in (rooms.parent / "rgb").iterdir():
        shutil.copy(image, folder)
    return folder


@pytest.fixture(scope="session")
def mixed(rooms, photos, tmp_path_factory) -> Path:
    """data.yaml of the rooms, six of the labelled ones and the others, as if they had no depth."""
    values = yaml.safe_load(rooms.read_text())
    lines = (rooms.parent / values["train"]).read_text().splitlines()
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "few.txt").write_text("\n".join(lines[:6]))
    (folder / "rest.txt").write_text("\n".join(lines[6:]))
    values |= {"path": str(rooms.parent), "train": str(folder / "few.txt"), "unlabeled": str(folder / "rest.txt")}
    (folder / "data.yaml").write_text(yaml.safe_dump(values))
    return folder / "data.yaml"


class Watcher:
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.parts: list[dict[str, float]] = []

    def on_step(self, progress: Any) -> None:
        self.parts.append(progress.parts)

    def on_note(self, message: str) -> None:
        self.notes.append(message)

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture(scope="session")
def new_watcher() -> type[Watcher]:
    """For a run that several tests look at, or a second one in a test."""
    return Watcher


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Keywords of a training run that takes a second."""
    return {"input_size": "64x96", "batch_size": 4, "workers": 0, "device": "cpu", "pretrained": False, "offline": True}


@pytest.fixture(scope="session")
def bare_report():
    """`bare_report(**known)`: the report of a run that trained nothing, with what is known."""
    from disdepth_cli.results.training import DistillReport

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
