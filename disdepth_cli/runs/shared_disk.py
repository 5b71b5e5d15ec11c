"""A run folder that several machines write to: whether all of them see it."""

from __future__ import annotations

import socket
import time
import uuid
from pathlib import Path

from disdepth_cli.errors import ConfigError
from disdepth_cli.files import disk_errors
from disdepth_cli.machine.processes import agreed, from_main, gather, is_main
from disdepth_cli.machine.sums import world

PATIENCE = 5.0  # seconds that a file on a shared disk may take to be seen from another machine


def check_seen_by_all(folder: Path) -> None:
    """Every process finds what the main one has just written: all of them read the run's weights and states.

    Raises:
        ConfigError: one does not: it runs on another machine, or in another folder.
    """
    if world() == 1:
        return
    sign = from_main(lambda: _leave_sign(folder))
    seen = gather((is_seen(folder / sign), socket.gethostname()))
    if is_main():
        (folder / sign).unlink(missing_ok=True)
    blind = [(number, host) for number, (saw, host) in enumerate(seen) if not saw]
    if blind:
        raise agreed(
            ConfigError(
                f"-o {folder}: process {blind[0][0]} on {blind[0][1]} does not see this folder; several "
                "machines need the run on a disk that all of them share: give its absolute path"
            )
        )


def is_seen(file: Path) -> bool:
    """Whether a file is there, or comes before long: a network disk may be late."""
    until = time.monotonic() + PATIENCE
    while not file.exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def _leave_sign(folder: Path) -> str:
    """A new empty file in the folder; its name."""
    name = f".{uuid.uuid4().hex[:8]}.tmp"
    with disk_errors(folder):
        (folder / name).touch()
    return name
