"""What runs a written file: the same few words for every runtime. No torch here."""

from __future__ import annotations

import os
from importlib import import_module, metadata
from types import ModuleType
from typing import Protocol

import numpy as np

from disdepth_cli.errors import ExportError
from disdepth_cli.exporting.formats.quiet import quiet


class MissingTool(ExportError):
    """An optional package is not installed."""


INSTALL = {
    "onnx": "pip install 'disdepth[export]'",
    "onnxscript": "pip install 'disdepth[export]'",
    "onnxruntime": "pip install 'disdepth[export]'",
    "openvino": "pip install 'disdepth[openvino]'",
    "ncnn": "pip install 'disdepth[ncnn]'",
    "pnnx": "pip install 'disdepth[ncnn]'",
    "MNN": "pip install 'disdepth[mnn]'",
    "coremltools": "pip install 'disdepth[coreml]'",
    "litert_torch": "pip install 'disdepth[litert]', in an environment of its own: it brings older packages along",
    "ai_edge_litert": "pip install 'disdepth[litert]', in an environment of its own: it brings older packages along",
}
"""Module of a tool to the command that installs it."""


class Session(Protocol):
    """A written file in its runtime. runtime: its name and version; precision: what it computes in."""

    runtime: str
    precision: str

    def run(self, image: np.ndarray) -> np.ndarray:
        """The input that the file's metadata describe -> depth (B, H, W) float32."""
        ...


def tool(name: str, asked: str) -> ModuleType:
    """A module of an optional package. asked: the option or file that needs it, for the error.

    Raises:
        MissingTool: it is not installed; the message says the one command that installs it.
    """
    try:
        with quiet():
            return import_module(name)
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] == name.split(".")[0]:
            package = name.split(".")[0]
            raise MissingTool(f"{asked}: needs {package}, which is not installed; {INSTALL[package]}") from None
        raise ExportError(f"{asked}: {name} is installed but cannot be used ({error}); install it again") from error


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
