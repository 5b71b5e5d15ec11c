"""The command line: one file per subcommand, each flags -> config -> one engine call -> print. No torch at import."""

from __future__ import annotations

import io
import os
import sys
import time
from typing import Annotated, TextIO

import typer

import disdepth_cli
from disdepth_cli.cli.commands import COMMANDS
from disdepth_cli.cli.progress import printable
from disdepth_cli.errors import DisdepthError, ElsewhereError, Interrupted, ProcessError
from disdepth_cli.machine.interrupt import of_machine
from disdepth_cli.machine.launch import launched

app = typer.Typer(
    name="disdepth",
    help="Distil any transformer depth teacher into a small, fast CNN that runs where the teacher cannot.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in COMMANDS:
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
    """Check data -> acclimate a teacher -> distill -> student.safetensors -> evaluate, predict, export, push."""


SILENCE = 10.0  # seconds that a process with nothing to say waits for the one that speaks, before it fails


def main() -> None:
    """Run the command line; a `DisdepthError` becomes one line on stderr and its exit code.

    Of several processes only the main one says anything, unless another was the first to fail. A launcher ends all of
    them as soon as one has failed, so those without a word fail last.
    """
    os.environ["MPLBACKEND"] = "Agg"  # the only one that is used; a notebook's own is not known here
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what the terminal or file has no letter for
    debug, stderr = os.environ.get("DISDEPTH_DEBUG") == "1", sys.stderr
    rank, processes = launched()
    silent = rank > 0 and not debug
    if silent:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    code, spoken = _run(debug, silent, stderr)
    if code and not spoken and processes > 1:
        time.sleep(SILENCE)
    sys.exit(code)


def _run(debug: bool, silent: bool, stderr: TextIO) -> tuple[int | str | None, bool]:
    """Exit code of the command line, and whether this process has said why."""
    try:
        app()
    except SystemExit as end:  # Typer's own, after a wrong option among others
        return end.code, not silent
    except DisdepthError as error:
        if debug:
            raise
        spoken = isinstance(error, ProcessError) or (not silent and not isinstance(error, ElsewhereError))
        if spoken:
            _say_why(error, stderr)
        return error.exit_code, spoken
    except Exception as error:  # the machine's fault, or a bug: still one line
        if debug:
            raise
        reason = " ".join(str(error).split())[:300]
        told = of_machine(error) or f"{type(error).__name__}: {reason} (DISDEPTH_DEBUG=1 shows where)"
        print(f"error: {told}", file=sys.stderr)
        return 1, not silent
    return 0, True


def _say_why(error: DisdepthError, stderr: TextIO) -> None:
    label = "interrupted" if isinstance(error, Interrupted) else "error"
    print(f"{label}: {printable(' '.join(str(error).split()))}", file=stderr, flush=True)
