"""disdepth pack."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from disdepth_cli.cli import options as o
from disdepth_cli.cli.console import run_verb, stdout
from disdepth_cli.config import PackConfig
from disdepth_cli.config.build import option_help

option = partial(o.option, of=PackConfig)
Data = Annotated[str, typer.Argument(help=option_help(PackConfig, "data"))]
Output = Annotated[Path | None, option("--output", "-o")]
Depth = Annotated[str | None, option("--depth")]
DepthScale = Annotated[float | None, option("--depth-scale")]
LargestSize = Annotated[str | None, option("--size")]
Quality = Annotated[int | None, option("--quality")]
ShardSize = Annotated[float | None, option("--shard-size")]
ShardCount = Annotated[int | None, option("--shard-count")]
Shuffle = Annotated[bool | None, option("--shuffle/--no-shuffle")]
Seed = Annotated[int | None, option("--seed")]
Workers = Annotated[int | None, option("--workers")]
MaxCorrupt = Annotated[int | None, option("--max-corrupt")]
Resume = Annotated[bool | None, option("--resume")]


def pack(
    data: Data,
    output: Output = None,
    depth: Depth = None,
    depth_scale: DepthScale = None,
    size: LargestSize = None,
    quality: Quality = None,
    shard_size: ShardSize = None,
    shard_count: ShardCount = None,
    shuffle: Shuffle = None,
    seed: Seed = None,
    workers: Workers = None,
    max_corrupt: MaxCorrupt = None,
    resume: Resume = None,
    config: o.ConfigFile = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
) -> None:
    """Write a data set as tar shards (WebDataset), which --data takes: few large files instead of many small ones."""
    run_verb(_engine, PackConfig, dict(locals()), _show)


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
