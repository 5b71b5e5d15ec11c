"""disdepth export."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from disdepth_cli.cli import options as o
from disdepth_cli.cli.console import run_verb, stdout
from disdepth_cli.config import ExportConfig
from disdepth_cli.config.build import option_help

option = partial(o.option, of=ExportConfig)
Model = Annotated[str, typer.Argument(help=option_help(ExportConfig, "model"))]
Format = Annotated[str | None, option("--format", "-f")]
PrecisionName = Annotated[str | None, option("--precision")]
Source = Annotated[str | None, option("--source")]
Input = Annotated[str | None, option("--input")]
DynamicSides = Annotated[str | None, option("--dynamic")]
CalibrationData = Annotated[str | None, option("--calibration")]
KeepFloat = Annotated[str | None, option("--keep-float")]
Check = Annotated[bool | None, option("--check/--no-check")]
Revision = Annotated[str | None, option("--revision")]
Offline = Annotated[bool | None, option("--offline")]
Output = Annotated[Path | None, option("--output", "-o")]


def export(
    model: Model,
    format: Format = None,
    precision: PrecisionName = None,
    source: Source = None,
    input: Input = None,
    dynamic: DynamicSides = None,
    calibration: CalibrationData = None,
    keep_float: KeepFloat = None,
    check: Check = None,
    revision: Revision = None,
    offline: Offline = None,
    output: Output = None,
    config: o.ConfigFile = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
) -> None:
    """Write a student for another runtime (ONNX, OpenVINO, LiteRT, Core ML, ...), checked against predict."""
    run_verb(_engine, ExportConfig, dict(locals()), _show)


def _engine() -> Callable[..., dict[str, Any]]:
    from disdepth_cli.engine.export import export

    return export


def _show(result: dict[str, Any]) -> None:
    check, accuracy = result["check"], result["accuracy"]
    _say(f"{result['file']} ({result['bytes'] / 1e6:.1f} MB), export.json" + _script(result))
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


def _script(result: dict[str, Any]) -> str:
    return "" if result["metadata"]["format"] == "coreml" else f", run.py: python {result['folder']}/run.py IMAGE"


def _say(line: str) -> None:
    stdout.print(line, soft_wrap=True, markup=False)
