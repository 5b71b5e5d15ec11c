"""What runs a written file: the same few words for every runtime. No torch here."""

from __future__ import annotations

import os
from importlib import metadata
from types import ModuleType
from typing import Protocol

import numpy as np

from disdepth_cli.errors import ExportError
from disdepth_cli.exporting.formats.quiet import quiet
from disdepth_cli.packages import optional


class Session(Protocol):
    """A written file in its runtime.

    runtime: its name and version. precision: what it computes in. unlike: of the images that were run last, see
    `Depth.unlike`; empty where the file cannot tell.
    """

    runtime: str
    precision: str
    unlike: tuple[float, ...] = ()

    def run(self, image: np.ndarray) -> np.ndarray:
        """The input that the file's metadata describe -> depth (B, H, W) float32."""
        ...


def tool(name: str, asked: str) -> ModuleType:
    """A module of an optional package. asked: the option or file that needs it, for the error.

    Raises:
        MissingError: it is not installed; the message says the one command that installs it.
    """
    with quiet():
        return optional(name, asked, ExportError)


def is_installed(name: str) -> bool:
    """Whether a module of that name can be imported; it is not."""
    from importlib.util import find_spec

    return find_spec(name) is not None


def version_of(package: str) -> str:
    """The version of an installed package."""
    return metadata.version(package)


def default_threads() -> int:
    """As many as PyTorch takes: OMP_NUM_THREADS, else the cores that this process may use."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
