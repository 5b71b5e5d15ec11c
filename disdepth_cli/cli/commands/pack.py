"""disdepth pack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import stdout
from disdepth_cli.config import PackConfig


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.pack import pack

    return pack


def _show(result: dict[str, Any]) -> None:
    for split in ("train", "val"):
        one = result[split]
        line = f"{split}: {one['images']} images ({one['labelled']} with depth) in {one['shards']} shards, "
        stdout.print(f"{line}{one['bytes'] / 1e6:.1f} MB", soft_wrap=True, markup=False)
    stored = (
        "float16 metres" if result["depth"]["format"] == "npy" else f"stored / {result['depth']['scale']:g} = metres"
    )
    line = f"{result['index']}: depth is {stored}; {len(result['skipped'])} images skipped"
    stdout.print(line, soft_wrap=True, markup=False)


pack = command(
    PackConfig,
    _engine,
    _show,
    arguments=("data",),
    doc="Write a data set as tar shards (WebDataset), which --data takes: few large files instead of many small ones.",
)
