"""disdepth predict."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import stdout
from disdepth_cli.config import PredictConfig
from disdepth_cli.config.types import KIND_UNITS


def _engine() -> Callable[..., Any]:
    if "OMP_WAIT_POLICY" not in os.environ:  # read when PyTorch is loaded; see docs/research/speed.md
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from disdepth_cli.engine.predict import predict

    return predict


def _show(result: dict[str, Any]) -> None:
    metric = result["kind"] == "metric_depth"
    noun, unit = "depth" if metric else result["kind"], " m" if metric else ""
    for one in result["results"]:
        if noun not in one:  # it went to stdout, where nothing else may stand
            continue
        offset = f" {one['offset']:+g}" if "offset" in one else ""
        stored = f"(16-bit, stored / {one['scale']:g}{offset} = {KIND_UNITS[result['kind']]})"
        low, high = _ends(one)
        span = f"{low:.2f} to {high:.2f}" if metric else f"{low:.3f} to {high:.3f}"
        more = "".join(f", {one[name]}" for name in ("numpy", "npz", "exr", "ply", "glb") if name in one)
        line = f"{one['image']} -> {one[noun]} {stored}, {one['color']}{more}: {span}{unit}"
        stdout.print(line, soft_wrap=True, markup=False)
    for one in result.get("videos", ()):
        low, high = _ends(one)
        files = f"{one['color']}, {one['folder']}" if "folder" in one else one["color"]
        line = f"{one['video']} -> {files}: {one['frames']} frames, {low:.2f} to {high:.2f}{unit}"
        stdout.print(line, soft_wrap=True, markup=False)


def _ends(one: dict[str, Any]) -> tuple[float, float]:
    """The smallest and the largest value of an image or video; only metres are named so."""
    return (one["min_m"], one["max_m"]) if "min_m" in one else (one["min"], one["max"])


predict = command(
    PredictConfig,
    _engine,
    _show,
    arguments=("sources",),
    failed=lambda result: bool(result["errors"]),
    doc="Write the depth of images: in metres, unless MODEL has none; with the bundled student unless told otherwise.",
)
