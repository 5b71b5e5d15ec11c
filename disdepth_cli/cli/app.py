"""The command line: one file per subcommand, each flags -> config -> one engine call -> print. No torch at import."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import disdepth_cli
from disdepth_cli.cli.acclimate import acclimate
from disdepth_cli.cli.distill import distill
from disdepth_cli.cli.evaluate import evaluate
from disdepth_cli.cli.pack import pack
from disdepth_cli.cli.predict import predict
from disdepth_cli.cli.push import push
from disdepth_cli.errors import DisdepthError, Interrupted

app = typer.Typer(
    name="disdepth",
    help="Distil any transformer depth teacher into a small, fast CNN that runs where the teacher cannot.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (acclimate, distill, evaluate, predict, pack, push):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"disdepth {disdepth_cli.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Teacher -> acclimate -> distill -> student.safetensors -> evaluate, predict."""


def main() -> None:
    """Run the command line; a `DisdepthError` becomes one line on stderr and its exit code."""
    try:
        app()
    except DisdepthError as error:
        if os.environ.get("DISDEPTH_DEBUG") == "1":
            raise
        label = "interrupted" if isinstance(error, Interrupted) else "error"
        print(f"{label}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:  # a bug, or a machine out of memory: still one line
        if os.environ.get("DISDEPTH_DEBUG") == "1":
            raise
        reason = " ".join(str(error).split())[:300]
        print(f"error: {type(error).__name__}: {reason} (DISDEPTH_DEBUG=1 shows where)", file=sys.stderr)
        sys.exit(1)
