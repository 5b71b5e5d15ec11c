"""The errors of a run's processes: each process writes its own to a file, and the main one tells the first of them.

Torch elastic names a file for each process of a machine, and its launcher reads it for its own summary. The second file
is in the run folder, once there is one: other launchers name no file, and other machines do not see torch elastic's.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from disdepth_cli.errors import DisdepthError, ElsewhereError, one_line
from disdepth_cli.machine.launch import launched

ERRORS = "errors"
"""The folder in a run's that holds them."""
NAMED_BY_LAUNCHER = "TORCHELASTIC_ERROR_FILE"

_run: Path | None = None
_written = False


@dataclass(frozen=True)
class Failure:
    """What ended a process: one line, its exit code, when it was written, in seconds since 1970, and whether it follows
    from another process's end."""

    line: str
    exit_code: int
    time: float
    follows: bool = False


def write_errors_to(run: Path) -> None:
    """From here on this process writes its error into this run folder too."""
    global _run
    _run = run


def remove_errors(run: Path) -> None:
    """Remove the errors of an earlier start from a run folder."""
    shutil.rmtree(run / ERRORS, ignore_errors=True)


def start_without_error() -> None:
    """Forget what this process has written: another run begins in it."""
    global _run, _written
    _run, _written = None, False
    if (named := _named_file()) is not None:
        named.unlink(missing_ok=True)


OUT_OF_MEMORY = ("not enough memory", "Cannot allocate memory", "could not create a primitive")
"""Words of PyTorch, of the system, and of oneDNN, where memory is refused."""


def of_machine(error: BaseException) -> str | None:
    """What the machine refused, as one line: memory, a library, a file; None where it is another kind of error."""
    reason = one_line(error, 300)
    if isinstance(error, MemoryError) or any(words in reason for words in OUT_OF_MEMORY):
        return "there is not enough memory (ulimit -v, or the machine's): free some, or take a smaller --batch-size"
    if isinstance(error, ImportError):
        return f"a library cannot be loaded ({reason}): is memory limited (ulimit -v), or the installation broken?"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError | TimeoutError):
        path = f"{error.filename}: " if error.filename else ""
        return f"the system refused {path}{error.strerror or reason}; look at space, rights and limits (ulimit -a)"
    return None


def worded(error: BaseException) -> str:
    """The error in one line, with its type's name where the project did not word it."""
    kind = "" if isinstance(error, DisdepthError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())


def write_error(line: str, exit_code: int, follows: bool = False) -> bool:
    """Write the error that ends this process, one of several; whether there is a file. The first one stays."""
    global _written
    rank, processes = launched()
    if processes == 1 or _written:
        return _written
    failure = Failure(line, exit_code, time.time(), follows)
    named, own = _named_file(), _run / ERRORS / f"process{rank}.json" if _run is not None else None
    # The form that torch elastic reads; without a call stack its summary shows the line.
    elastic = {"message": {"message": line, "extraInfo": {"timestamp": str(int(failure.time))}}, **asdict(failure)}
    for file in (named, own):
        if file is not None:
            _written = _write(file, elastic) or _written
    return _written


def write_own(error: BaseException, follows: bool = False) -> bool:
    """`write_error` of an exception. Its line names the process, unless all of them have the error."""
    line = worded(error)
    if launched()[0] and not isinstance(error, ElsewhereError):
        line = f"process {launched()[0]}: {line}"
    return write_error(line, getattr(error, "exit_code", 1), follows)


def first_failure() -> Failure | None:
    """The first error that another process has come to by itself; None where none has written one."""
    files: list[Path] = []
    if (named := _named_file()) is not None and named.parent.name.isdigit():  # .../attempt_0/RANK/error.json
        files += [file for file in named.parent.parent.glob(f"*/{named.name}") if file != named]
    if _run is not None:
        files += [file for file in (_run / ERRORS).glob("*.json") if file.name != f"process{launched()[0]}.json"]
    own = [one for one in map(_read, files) if one is not None and not one.follows]
    return min(own, key=lambda one: one.time, default=None)


def _named_file() -> Path | None:
    """Torch elastic's file, where this is one of several processes: a child process inherits the variable."""
    named = os.environ.get(NAMED_BY_LAUNCHER)
    return Path(named) if named and launched()[1] > 1 else None


def _write(file: Path, content: dict[str, object]) -> bool:
    """Whether the file could be written: a full disk may be the error itself. It is never seen half written."""
    begun = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(exist_ok=True)
        begun.write_text(json.dumps(content), encoding="utf-8")
        os.replace(begun, file)
    except OSError:
        return False
    return True


def _read(file: Path) -> Failure | None:
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        return Failure(str(held["line"]), int(held["exit_code"]), float(held["time"]), bool(held["follows"]))
    except (OSError, ValueError, KeyError, TypeError):  # another program's, or gone again
        return None
