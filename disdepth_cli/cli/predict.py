"""disdepth predict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import stdout
from disdepth_cli.config import PredictConfig


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


predict = command(
    PredictConfig,
    _engine,
    _show,
    arguments=("sources",),
    doc="Write depth files and pictures for images, with the bundled student unless told otherwise.",
)
