"""disdepth predict."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from disdepth_cli.cli import options as o
from disdepth_cli.cli.console import run_verb, stdout
from disdepth_cli.config import PredictConfig
from disdepth_cli.config.build import option_help

MEANINGS = {
    "metric_depth": "metres",
    "disparity": "relative disparity, larger is nearer, no unit",
    "relative_depth": "relative depth, larger is farther, no unit",
}

option = partial(o.option, of=PredictConfig)
Sources = Annotated[list[str], typer.Argument(help=option_help(PredictConfig, "sources"))]
Model = Annotated[str | None, option("--model", "-m")]
Checkpoint = Annotated[str | None, option("--checkpoint", "-c", field="model", hidden=True)]
Output = Annotated[Path | None, option("--output", "-o")]
SaveNumpy = Annotated[bool | None, option("--save-numpy")]
Colormap = Annotated[str | None, option("--colormap")]
Grayscale = Annotated[bool | None, option("--grayscale")]
Revision = Annotated[str | None, option("--revision")]
Offline = Annotated[bool | None, option("--offline")]
PredOnly = Annotated[bool | None, option("--pred-only")]


def predict(
    sources: Sources,
    model: Model = None,
    checkpoint: Checkpoint = None,
    output: Output = None,
    save_numpy: SaveNumpy = None,
    colormap: Colormap = None,
    grayscale: Grayscale = None,
    pred_only: PredOnly = None,
    device: o.Device = None,
    precision: o.PrecisionName = None,
    revision: Revision = None,
    offline: Offline = None,
    config: o.ConfigFile = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
) -> None:
    """Write the depth of images: in metres, unless MODEL has none; with the bundled student unless told otherwise."""
    run_verb(_engine, PredictConfig, dict(locals()), _show)


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.predict import predict

    return predict


def _show(result: dict[str, Any]) -> None:
    metric = result["kind"] == "metric_depth"
    noun, unit = "depth" if metric else result["kind"], " m" if metric else ""
    for one in result["results"]:
        offset = f" {one['offset']:+g}" if "offset" in one else ""
        stored = f"(16-bit, stored / {one['scale']:g}{offset} = {MEANINGS[result['kind']]})"
        low, high = (one["min_m"], one["max_m"]) if metric else (one["min"], one["max"])
        span = f"{low:.2f} to {high:.2f}" if metric else f"{low:.3f} to {high:.3f}"
        numpy = f", {one['numpy']}" if "numpy" in one else ""
        line = f"{one['image']} -> {one[noun]} {stored}, {one['color']}{numpy}: {span}{unit}"
        stdout.print(line, soft_wrap=True, markup=False)
