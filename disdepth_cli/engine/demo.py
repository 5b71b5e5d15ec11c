"""Demo: the whole path on rendered rooms and a tiny teacher, offline: acclimate, distill beside a control, evaluate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.checkpoint.locate import TINY_TEACHER
from disdepth_cli.config import AcclimateConfig, DemoConfig, DistillConfig, EvaluateConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.data.files.pair import load_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.demo.rooms import write_rooms
from disdepth_cli.engine.acclimate import acclimate
from disdepth_cli.engine.distill import distill
from disdepth_cli.engine.evaluate import evaluate
from disdepth_cli.errors import ConfigError
from disdepth_cli.files import disk_errors
from disdepth_cli.observer import Observer, Unrepeated
from disdepth_cli.outputs.pictures import colourise, panel, scale_bar, write_image
from disdepth_cli.scoring.open_model import open_model

ROOMS, HEIGHT, WIDTH = 240, 96, 128
SHOWN = 4  # val rooms in the panel
ENLARGED = 2


@dataclass(frozen=True)
class DemoResult:
    """What the demo has made.

    scores: model to its metrics on rooms that none was trained on, in metres; gain: as `distill` reports it; panel:
    the picture of all models on some of these rooms.
    """

    folder: Path
    scores: dict[str, dict[str, Any]]
    gain: dict[str, dict[str, Any]]
    panel: Path
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as `--json` prints them."""
        return {
            "folder": str(self.folder),
            "scores": self.scores,
            "gain": self.gain,
            "panel": str(self.panel),
            "seconds": round(self.seconds, 1),
        }


def demo(
    folder: Path | str | None = None,
    *,
    config: DemoConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> DemoResult:
    """Run the whole path on an embedded data set and teacher, offline, in a few minutes on two CPU cores.

    What a stopped demo has finished is not made again.

    Args:
        folder: where rooms, runs and pictures go; default: `demo`.
        config: the options as a whole, in the place of all other arguments.
        observers: are told the progress.
        **options: `acclimate_steps`, `steps`.

    Returns:
        The scores of teacher, ghost decoder, control and student, and where everything lies.

    Raises:
        DisdepthError: the folder cannot be written, or holds something else.
    """
    config = config or build_config(DemoConfig, {"folder": folder, **options})
    began, place = time.monotonic(), config.folder
    observers = [Unrepeated(observer) for observer in observers]
    data = _rooms(place / "rooms", observers)
    common: dict[str, Any] = {"data": data, "student": "resnet18", "input_size": f"{HEIGHT}x{WIDTH}"}
    common |= {"batch_size": 8, "workers": 2, "offline": True, "pretrained": False}
    if not (place / "teacher" / "report.json").is_file():
        own = {"teacher": TINY_TEACHER, "max_steps": config.acclimate_steps, **_run(place / "teacher")}
        acclimate(build_config(AcclimateConfig, common | own), observers=observers)
    own = {"teacher": place / "teacher", "max_steps": config.steps, "control": True, **_run(place / "student")}
    report = distill(build_config(DistillConfig, common | own), observers=observers)
    models = {
        "teacher": TINY_TEACHER,
        "through the ghost": place / "teacher",
        "control": place / "student-control",
        "student": place / "student",
    }
    own = {"data": data, "baselines": False, "offline": True}
    scores = {name: evaluate(build_config(EvaluateConfig, own | {"model": model})) for name, model in models.items()}
    picture = place / "panel.png"
    _draw(picture, data, {name: str(models[name]) for name in ("teacher", "student", "control")})
    return DemoResult(place, scores, report["gain"], picture, time.monotonic() - began)


def _rooms(folder: Path, observers: Sequence[Observer]) -> Path:
    """The data.yaml of the rendered rooms, which is written last."""
    data = folder / "data.yaml"
    if not data.is_file():
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder}: is a file; name another folder for the demo")
        for observer in observers:
            observer.on_note(f"rendering {ROOMS} rooms of {HEIGHT}x{WIDTH} pixels into {folder}")
        with disk_errors(folder):
            write_rooms(folder, ROOMS, HEIGHT, WIDTH, seed=0)
    return data


def _run(folder: Path) -> dict[str, Any]:
    """A run that is begun, or gone on with."""
    return {"output": folder, "resume": (folder / "config.yaml").is_file()}


def _draw(file: Path, data: Path, models: dict[str, str]) -> None:
    """A row a val room: image, ground truth, every model's depth in one colour scale, and the student's error."""
    source = load_source(data)
    predictors = {name: open_model(model, "cpu", "fp32", offline=True) for name, model in models.items()}
    rows = []
    for item in source.val[:SHOWN]:
        image, truth = load_pair(item, source)
        assert truth is not None
        depths = {"ground truth": truth} | {name: one.predict(image) for name, one in predictors.items()}
        low, high = float(truth.min()), float(truth.max())
        shown = {"image": image}
        shown |= {name: colourise(depth, low=low, high=high) for name, depth in depths.items()}
        shown["student's error"] = colourise(depths["student"] - truth, "coolwarm", -1.0, 1.0)
        labels = [f"{depth:.1f} m" for depth in np.linspace(low, high, 2)]
        bars = dict.fromkeys(shown, scale_bar(ENLARGED * WIDTH, labels))
        bars["image"] = np.full_like(bars["image"], 255)
        bars["student's error"] = scale_bar(ENLARGED * WIDTH, ["-1 m", "0", "+1 m"], "coolwarm")
        rows.append([(name, np.vstack([_enlarged(one), bars[name]])) for name, one in shown.items()])
    write_image(file, panel(rows))


def _enlarged(picture: np.ndarray) -> np.ndarray:
    return picture.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
