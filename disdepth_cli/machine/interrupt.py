"""Ctrl-C while programs are loaded, and what the machine refuses. No torch: it is what takes the time."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LEAST_FILES, WANTED_FILES = 128, 4096
INTERRUPTED = 130


def leave_at_once() -> None:
    """From here on Ctrl-C ends the process with one line: a KeyboardInterrupt in the middle of an import is printed
    with its traceback, or lost. A process that was started with Ctrl-C ignored goes on ignoring it."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block Ctrl-C is a KeyboardInterrupt again, for who has something to save."""
    if signal.getsignal(signal.SIGINT) is not _leave:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _leave)


def too_few_files() -> str | None:
    """Raise the number of files that may be open as far as the system lets; one line where that is too few."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        except (OSError, ValueError):  # macOS has a limit of its own
            pass
    if soft == resource.RLIM_INFINITY or soft >= LEAST_FILES:
        return None
    return f"only {soft} files may be open at a time (ulimit -n), at least {LEAST_FILES} are needed; raise the limit"


def of_machine(error: BaseException) -> str | None:
    """What the machine refused, as one line: memory, a library, a file; None where it is another kind of error."""
    reason = " ".join(str(error).split())[:300]
    if isinstance(error, MemoryError) or "not enough memory" in reason or "Cannot allocate memory" in reason:
        return "there is not enough memory (ulimit -v, or the machine's): free some, or take a smaller --batch-size"
    if isinstance(error, ImportError):
        return f"a library cannot be loaded ({reason}): is memory limited (ulimit -v), or the installation broken?"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError | TimeoutError):
        path = f"{error.filename}: " if error.filename else ""
        return f"the system refused {path}{error.strerror or reason}; look at space, rights and limits (ulimit -a)"
    return None


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted: stopped at once\n")
    os._exit(INTERRUPTED)
