"""Ctrl-C and SIGTERM: one line while programs are loaded, a stop after the step in training. Imports no PyTorch."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from disdepth_cli.errors import INTERRUPTED, ProcessError
from disdepth_cli.machine.failures import first_failure
from disdepth_cli.machine.launch import launched

ECHO = 2.0  # seconds
WORKERS_GONE = (RuntimeError, OSError, EOFError, StopIteration)
"""What a loader raises whose workers a signal has ended: a word of PyTorch's, a connection that broke, or, asked
again, that nothing is left."""


def leave_at_once() -> None:
    """From here on Ctrl-C ends the process with one line: a KeyboardInterrupt in the middle of an import is printed
    with its traceback, or lost. A process that was started with Ctrl-C ignored goes on ignoring it.

    Launchers send SIGTERM to all processes as soon as one has failed: the main process then tells that one's error.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    rank, processes = launched()
    if processes > 1 and rank == 0:
        signal.signal(signal.SIGTERM, _leave_with_others)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block a signal is an exception, for who has something to save."""
    raising: dict[Any, Any] = {_leave: signal.default_int_handler, _leave_with_others: _raise_first_failure}
    ours = {number: handler for number in StopSignal.SIGNALS if (handler := signal.getsignal(number)) in raising}
    try:
        for number, handler in ours.items():
            signal.signal(number, raising[handler])
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)


def ignore_termination() -> None:
    """The main process of several has told an error and ends: a launcher's SIGTERM is no news."""
    if signal.getsignal(signal.SIGTERM) is _leave_with_others:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class StopSignal:
    """Context manager; `requested` turns True at the first SIGINT or SIGTERM. Idle outside the main thread.

    Of several processes each may get it twice, from the terminal and from the launcher: for a while it is one request.
    A signal to a whole group of processes ends the workers that load images too. PyTorch would raise that at whatever
    line the run is; from the request on it is left to the loader, which raises one of `WORKERS_GONE` when it is next
    asked. That lasts: a worker may end after the run's state is saved, when nothing is left that its end could hurt.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested = False
        self.repeats = ECHO if launched()[1] > 1 else 0.0
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in self.SIGNALS}
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and time.monotonic() - self._since >= self.repeats:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested, self._since = True, time.monotonic()
            if hasattr(signal, "SIGCHLD"):
                signal.signal(signal.SIGCHLD, _let_pass)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _let_pass(number: int, frame: FrameType | None) -> None:
    """A child has ended."""


def _leave(number: int, frame: FrameType | None) -> None:
    if launched()[0] == 0:
        os.write(2, b"interrupted: stopped at once\n")
    os._exit(INTERRUPTED)


def _leave_with_others(number: int, frame: FrameType | None) -> None:
    """SIGTERM while programs are loaded: tell the other process's error at once."""
    try:
        _raise_first_failure(number, frame)
    except ProcessError as error:
        os.write(2, f"error: {error}\n".encode(errors="backslashreplace"))
        os._exit(error.exit_code)


def _raise_first_failure(number: int, frame: FrameType | None) -> None:
    """SIGTERM in the main process. An error of its own that is on its way is told instead; without any error the
    signal ends the process, as it does by default."""
    if sys.exc_info()[0] is not None:
        return
    failure = first_failure()
    if failure is not None:
        raise ProcessError(failure.line, failure.exit_code)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
