"""disdepth export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import stdout
from disdepth_cli.config import ExportConfig


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.export import export

    return export


def _show(result: dict[str, Any]) -> None:
    check, accuracy = result["check"], result["accuracy"]
    _say(f"{result['file']} ({result['bytes'] / 1e6:.1f} MB), export.json" + _program(result))
    if check["state"] == "ok":
        difference = f"mean {check['mean']:.1e}, largest {check['largest']:.1e} on {check['images']} images"
        runtime = f"{check['runtime']}, computing in {check['computes_in']}"
        _say(f"check: ok, relative difference to predict's depth: {difference} ({runtime})")
    else:
        _say(f"check: unchecked: {check['reason']}")
    if accuracy:
        before, after = accuracy["predict"], accuracy["exported"]
        scores = ", ".join(f"{name} {after[name]:.4f} against {before[name]:.4f}" for name in before)
        _say(f"accuracy on {accuracy['images']} val images: {scores}; RMSE {accuracy['rmse_change']:+.1%}")


def _program(result: dict[str, Any]) -> str:
    """What is beside the file to run it with, and how."""
    folder = Path(result["folder"])
    if (folder / "index.html").is_file():
        return f", index.html: python -m http.server -d {folder}, then open http://localhost:8000"
    return f", run.py: python {folder}/run.py IMAGE" if (folder / "run.py").is_file() else ""


def _say(line: str) -> None:
    stdout.print(line, soft_wrap=True, markup=False)


export = command(
    ExportConfig,
    _engine,
    _show,
    arguments=("model",),
    doc="Write a student as a file for another runtime, checked against predict: ONNX, OpenVINO, LiteRT, Core ML, ...",
)
