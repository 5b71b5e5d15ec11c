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

option = partial(o.option, of=PredictConfig)
Sources = Annotated[list[str], typer.Argument(help=option_help(PredictConfig, "sources"))]
Checkpoint = Annotated[Path | None, option("--checkpoint", "-c")]
Output = Annotated[Path | None, option("--output", "-o")]
SaveNumpy = Annotated[bool | None, option("--save-numpy")]
Colormap = Annotated[str | None, option("--colormap")]
Grayscale = Annotated[bool | None, option("--grayscale")]
Revision = Annotated[str | None, option("--revision")]
Offline = Annotated[bool | None, option("--offline")]
PredOnly = Annotated[bool | None, option("--pred-only")]
BackendName = Annotated[str | None, option("--backend")]


def predict(
    sources: Sources,
    checkpoint: Checkpoint = None,
    output: Output = None,
    save_numpy: SaveNumpy = None,
    colormap: Colormap = None,
    grayscale: Grayscale = None,
    pred_only: PredOnly = None,
    backend: BackendName = None,
    device: o.Device = None,
    precision: o.PrecisionName = None,
    revision: Revision = None,
    offline: Offline = None,
    config: o.ConfigFile = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
) -> None:
    """Write depth in metres for images, with the bundled student unless told otherwise."""
    run_verb(_engine, PredictConfig, dict(locals()), _show)


def _engine() -> Callable[..., dict[str, Any]]:
    from disdepth_cli.engine.predict import predict

    return predict


def _show(result: dict[str, Any]) -> None:
    if result["kind"] != "metric_depth":
        for one in result["results"]:
            line = f"{one['image']} -> {one['disparity']} (16-bit, stored / {one['scale']:g} = relative disparity, "
            line += f"larger is nearer, no unit), {one['color']}" + (f", {one['numpy']}" if "numpy" in one else "")
            stdout.print(f"{line}: {one['min']:.3f} to {one['max']:.3f}", soft_wrap=True, markup=False)
        return
    for one in result["results"]:
        line = f"{one['image']} -> {one['depth']} (16-bit, stored / {one['scale']:g} = metres), {one['color']}"
        line += f", {one['numpy']}" if "numpy" in one else ""
        stdout.print(f"{line}: {one['min_m']:.2f} to {one['max_m']:.2f} m", soft_wrap=True, markup=False)
