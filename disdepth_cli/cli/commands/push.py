"""disdepth push."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import stdout
from disdepth_cli.config import PushConfig


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


push = command(
    PushConfig,
    _engine,
    show,
    arguments=("model",),
    doc="Send a student with its model card to the Hugging Face Hub.",
)
