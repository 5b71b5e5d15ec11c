"""disdepth push."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from disdepth_cli.cli import options as o
from disdepth_cli.cli.console import run_verb, stdout
from disdepth_cli.config import PushConfig
from disdepth_cli.config.build import option_help

CARD = "Model card"
option = partial(o.option, of=PushConfig)
Source = Annotated[Path, typer.Argument(help=option_help(PushConfig, "source"))]
To = Annotated[str | None, option("--to")]
Branch = Annotated[str | None, option("--revision")]
DryRun = Annotated[bool | None, option("--dry-run")]
Output = Annotated[Path | None, option("--output", "-o")]
Offline = Annotated[bool | None, option("--offline")]
DataName = Annotated[str | None, option("--data-name", rich_help_panel=CARD)]
Control = Annotated[Path | None, option("--control", rich_help_panel=CARD)]
Picture = Annotated[list[Path] | None, option("--picture", rich_help_panel=CARD)]
FromData = Annotated[bool | None, option("--picture-from-data", rich_help_panel=CARD)]


def push(
    source: Source,
    to: To = None,
    private: o.Private = None,
    revision: Branch = None,
    dry_run: DryRun = None,
    output: Output = None,
    licence: o.Licence = None,
    data_name: DataName = None,
    control: Control = None,
    picture: Picture = None,
    picture_from_data: FromData = None,
    offline: Offline = None,
    config: o.ConfigFile = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
) -> None:
    """Send a student with its model card to the Hugging Face Hub."""
    run_verb(_engine, PushConfig, dict(locals()), show)


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.push import push

    return push


def show(result: dict[str, Any]) -> None:
    """Print what was sent, or written to be looked at."""
    for file in result["files"]:
        stdout.print(f"{file['bytes']:>12,} bytes  {file['name']}", markup=False)
    stdout.print(f"licence: {result['licence']}", soft_wrap=True, markup=False)
    if result["sent"]:
        branch = f", branch {result['revision']}" if result["revision"] else ""
        stdout.print(f"pushed: {result['url']} (commit {result['commit']}{branch})", soft_wrap=True, markup=False)
    else:
        stdout.print(f"nothing was sent; look at: {result['folder']}", soft_wrap=True, markup=False)
