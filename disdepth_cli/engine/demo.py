"""Demo: the whole path on rendered rooms and a tiny teacher, offline: acclimate, distill beside a control, evaluate."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disdepth_cli.checkpoint.locate import TINY_TEACHER
from disdepth_cli.config import AcclimateConfig, DemoConfig, DistillConfig, EvaluateConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.demo.rooms import write_rooms
from disdepth_cli.engine.acclimate import acclimate
from disdepth_cli.engine.distill import distill
from disdepth_cli.engine.evaluate import evaluate
from disdepth_cli.errors import ConfigError
from disdepth_cli.observer import SILENT, Observer, Unrepeated
from disdepth_cli.results.result import Result
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.scoring.draw_models import draw_models

ROOMS, HEIGHT, WIDTH = 240, 96, 128


@dataclass(frozen=True)
class DemoResult(Result):
    """What the demo has made.

    Attributes:
        folder: where everything lies.
        scores: model to its metrics on rooms that none was trained on, in metres.
        gain: what distillation has over the control, as `DistillReport.gain`.
        panel: the picture of all models on some of these rooms.
        seconds: how long this call took.
    """

    folder: str
    scores: dict[str, dict[str, Any]]
    gain: dict[str, dict[str, Any]]
    panel: str
    seconds: float


def demo(config: DemoConfig, observer: Observer = SILENT) -> DemoResult:
    """Run the whole path on an embedded data set and teacher, offline. What a stopped demo has finished is kept.

    Raises:
        DisdepthError: the folder cannot be written, or holds something else.
    """
    began, path = time.monotonic(), config.folder
    observer = Unrepeated(observer)
    data = _rooms(path / "rooms", observer)
    common: dict[str, Any] = {"data": data, "student": "resnet18", "input_size": f"{HEIGHT}x{WIDTH}"}
    common |= {"batch_size": 8, "workers": 2, "offline": True, "pretrained": False}
    if not RunContents(path / "teacher").is_finished:
        own = {"teacher": TINY_TEACHER, "max_steps": config.acclimate_steps, **_run(path / "teacher")}
        acclimate(build_config(AcclimateConfig, common | own), observer)
    own = {"teacher": path / "teacher", "max_steps": config.steps, "control": True, **_run(path / "student")}
    report = distill(build_config(DistillConfig, common | own), observer)
    models = {
        "teacher": TINY_TEACHER,
        "through the ghost": path / "teacher",
        "control": path / "student-control",
        "student": path / "student",
    }
    own = {"data": data, "baselines": False, "offline": True}
    scores = {
        name: evaluate(build_config(EvaluateConfig, own | {"model": model})).as_dict() for name, model in models.items()
    }
    picture = path / "panel.png"
    shown = {name: str(models[name]) for name in ("teacher", "student", "control")}
    draw_models(picture, data, shown, "student")
    return DemoResult(str(path), scores, report["gain"], str(picture), round(time.monotonic() - began, 1))


def _rooms(folder: Path, observer: Observer) -> Path:
    """The data.yaml of the rendered rooms, which is written last."""
    data = folder / "data.yaml"
    if not data.is_file():
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder}: is a file; name another folder for the demo")
        observer.on_note(f"rendering {ROOMS} rooms of {HEIGHT}x{WIDTH} pixels into {folder}")
        write_rooms(folder, ROOMS, HEIGHT, WIDTH, seed=0)
    return data


def _run(folder: Path) -> dict[str, Any]:
    """A run that is begun, or gone on with."""
    return {"output": folder, "resume": RunContents(folder).is_begun}
