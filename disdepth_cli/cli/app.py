"""The command line: one file per subcommand, each flags -> config -> one engine call -> print. No torch at import."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any, TextIO

import typer

import disdepth_cli
from disdepth_cli.cli.commands import COMMANDS
from disdepth_cli.cli.examples import epilog
from disdepth_cli.cli.progress import printable
from disdepth_cli.errors import INTERRUPTED, DisdepthError, ProcessError, one_line
from disdepth_cli.machine.failures import of_machine, worded, write_error
from disdepth_cli.machine.launch import launched
from disdepth_cli.machine.signals import ignore_termination

app = typer.Typer(
    name="disdepth",
    help="Distil any transformer depth teacher into a small, fast CNN that runs where the teacher cannot.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in COMMANDS:
    name = command.__name__
    app.command(name, epilog=epilog(name))(command)


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


def main() -> None:
    """Run the command line; a `DisdepthError` becomes one line on stderr and its exit code.

    Of several processes only the main one speaks. The others write their error to a file, which the main one or the
    launcher tells; a process for which there is no such file speaks for itself.
    """
    os.environ["MPLBACKEND"] = "Agg"  # the only one that is used; a notebook's own is not known here
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what the terminal or file has no letter for
    debug, stderr = os.environ.get("DISDEPTH_DEBUG") == "1", sys.stderr
    silent = launched()[0] > 0 and not debug
    if silent:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    sys.exit(_run(debug, silent, stderr))


def _run(debug: bool, silent: bool, stderr: TextIO) -> int | str | None:
    """Exit code of the command line; says why it failed."""
    try:
        app()
    except SystemExit as end:  # Typer's own, after a wrong option among others, which it has told
        if end.code:
            wrong: Any = end.__context__
            write_error(wrong.format_message() if hasattr(wrong, "format_message") else "wrong options", 2)
            ignore_termination()
        return end.code
    except Exception as error:
        # A bug, or a machine out of memory, is still one line.
        line = worded(error) if isinstance(error, DisdepthError) else _line_of_a_bug(error)
        code = error.exit_code if isinstance(error, DisdepthError) else 1
        kept = isinstance(error, ProcessError) or write_error(line, code)
        if debug:
            raise
        if not silent or not kept:
            label = "interrupted" if code == INTERRUPTED else "error"
            print(f"{label}: {printable(line)}", file=stderr, flush=True)
        ignore_termination()
        return code
    return 0


def _line_of_a_bug(error: Exception) -> str:
    told = f"{type(error).__name__}: {one_line(error, 300)}"
    return of_machine(error) or f"{told} (DISDEPTH_DEBUG=1 shows where)"
