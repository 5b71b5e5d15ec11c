"""Ctrl-C and SIGTERM ask training to stop after the step it is in; a second one stops at once."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

from disdepth_cli.machine.launch import launched

ECHO = 2.0  # seconds
WORKERS_GONE = (RuntimeError, OSError, EOFError, StopIteration)
"""What a loader raises whose workers a signal has ended: a word of PyTorch's, a connection that broke, or, asked
again, that nothing is left."""


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
