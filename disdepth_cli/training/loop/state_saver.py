"""The state of a run, written while training goes on: copied at one step, then saved in a thread."""

from __future__ import annotations

import threading
import time
from typing import Any

from torch import Tensor

from disdepth_cli.errors import ConfigError
from disdepth_cli.machine.processes import agreed
from disdepth_cli.machine.sums import world
from disdepth_cli.runs.folder import RunFolder


class StateSaver:
    """Saves a run's state every so many seconds, one save at a time, in the process that writes.

    What is saved is a copy made at once, so that the state is of one step whatever the loop does next. An error of the
    thread, a full disk for instance, is raised by the next `save` or `wait`.
    """

    def __init__(self, run: RunFolder, every: float) -> None:
        """every: seconds between saves; 0: whenever it is asked."""
        self.run, self.every = run, every
        self._last = time.monotonic()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    @property
    def is_due(self) -> bool:
        """Whether the last save is long enough ago."""
        return time.monotonic() - self._last >= self.every

    def save(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Copy the state and write it in a thread, after the one before.

        Raises:
            DisdepthError: the one before could not be written.
        """
        self.wait()
        copies = {name: value.detach().clone() for name, value in tensors.items()}
        self._thread = threading.Thread(target=self._write, args=(copies, state), name="state")
        self._thread.start()
        self._last = time.monotonic()

    def wait(self) -> None:
        """Wait until what was to be saved is on the disk.

        Raises:
            DisdepthError: it could not be written.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _write(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        try:
            self.run.state.save(tensors, state)
        except Exception as error:  # raised again where the loop sees it
            self._error = error


def is_longer(state: dict[str, Any], total: int) -> bool:
    """Whether a saved state is the end of a run that is to have more steps: `total` of them."""
    return bool(state["done"] == state["total_steps"] < total)


def check_same_length(run: RunFolder, state: dict[str, Any], total: int) -> None:
    """A saved state is of a run with as many processes, and of as many steps in `total`, or of a finished shorter one.

    Raises:
        ConfigError: it is not.
    """
    before = state.get("processes", 1)
    if before != world():
        raise agreed(
            ConfigError(
                f"{run.path}: was started with {before} process{'es' if before > 1 else ''}, now there are {world()}; "
                "the order of the images would be another: resume with as many"
            )
        )
    if state["total_steps"] != total and not is_longer(state, total):
        raise ConfigError(
            f"{run.path}: was planned for {state['total_steps']} steps, now it would be {total}; the data or the "
            "options have changed since"
        )
