"""Which runtime predicts: an exported file's own, the fastest one here for a student's checkpoint, or PyTorch.

No torch at import: a file for another runtime predicts without it.
"""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from disdepth_cli.checkpoint.locate import hub_student, may_be_on_hub, student_file
from disdepth_cli.config.types import Backend, Precision
from disdepth_cli.errors import ConfigError
from disdepth_cli.exporting.exported import ExportedPredictor, is_exported, open_exported
from disdepth_cli.exporting.formats.session import is_installed
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.predictor import Predictor
from disdepth_cli.scoring.exported_once import ExportedOnce, Runtime

RUNTIMES: dict[Runtime, str] = {"onnx": "onnxruntime", "openvino": "openvino"}
"""Backend to the module that it needs, the faster one first: their times are alike, ONNX Runtime starts sooner."""


def open_in_runtime(
    model: str,
    backend: Backend | None = "auto",
    device: str = "auto",
    precision: Precision = "auto",
    revision: str | None = None,
    offline: bool = False,
    observer: Observer = SILENT,
) -> Predictor:
    """A MODEL in the runtime that was asked for, as `open_elsewhere` takes it; else in PyTorch, imported only then.

    Raises:
        DisdepthError: it cannot be found or opened, or the backend cannot run it.
    """
    elsewhere = open_elsewhere(model, backend, device, precision, revision, offline, observer)
    if elsewhere is not None:
        return elsewhere
    from disdepth_cli.scoring.open_model import open_model

    return open_model(model, device, precision, revision, offline)


def open_elsewhere(
    model: str,
    backend: Backend | None = "auto",
    device: str = "auto",
    precision: Precision = "auto",
    revision: str | None = None,
    offline: bool = False,
    observer: Observer = SILENT,
) -> ExportedPredictor | None:
    """A MODEL in another runtime than PyTorch; None where PyTorch is to run it.

    An exported file runs as it is. A student's checkpoint is exported once, into the cache, which is said.

    Args:
        model: a MODEL of the command line.
        backend: `auto` is the fastest runtime that is installed; PyTorch for what is no student, on an accelerator, in
            another precision than float32, and for a student that nothing else can run. None: PyTorch, and an exported
            file's own runtime.

    Raises:
        CheckpointError: a student that cannot be had.
        ExportError: a damaged file, a runtime that is not installed, or one that does not give PyTorch's depth.
        ConfigError: a device, precision or model that the backend does not have.
    """
    if is_exported(model):
        _refuse_other_devices(model, device, precision)
        return open_exported(model, backend or "auto")
    runtime = _runtime(backend, device, precision)
    file = _checkpoint(model, revision, offline) if runtime is not None else None
    if runtime is None or file is None:
        if runtime is not None and backend != "auto":
            raise ConfigError(f"--backend {backend}: {model} is no student; leave --backend out")
        return None
    cached = ExportedOnce(file, model, runtime, observer)
    return cached.open_if_possible() if backend == "auto" else cached.open()


def prepare(
    model: str,
    runtime: Runtime,
    revision: str | None = None,
    offline: bool = False,
    observer: Observer = SILENT,
) -> Path:
    """The file in the cache that `open_elsewhere` will open for a student; exported now where it was not before.

    Raises:
        CheckpointError, ExportError: it cannot be had.
    """
    return ExportedOnce(student_file(model, revision, offline), model, runtime, observer).file_there()


def is_student(model: str, revision: str | None = None, offline: bool = False) -> bool:
    """Whether a MODEL is a student's checkpoint, here or on the Hub.

    Raises:
        CheckpointError: the Hub does not say.
    """
    return _checkpoint(model, revision, offline) is not None


def _checkpoint(model: str, revision: str | None, offline: bool) -> Path | None:
    """The file of a student; None where MODEL is something else, or nothing."""
    if may_be_on_hub(model):
        return hub_student(model, revision, offline)
    file = student_file(model)
    return student_file(model, revision) if file.is_file() and file.suffix == ".safetensors" else None


def _runtime(backend: Backend | None, device: str, precision: Precision) -> Runtime | None:
    """The runtime for a checkpoint; None: PyTorch.

    Raises:
        ConfigError: a device or precision that the backend does not have.
    """
    if backend is None or backend == "torch":
        return None
    if backend != "auto":
        _refuse_other_devices(f"--backend {backend}", device, precision)
        return backend
    if device not in ("auto", "cpu") or precision not in ("auto", "fp32") or (device == "auto" and _accelerator()):
        return None
    return next((runtime for runtime, module in RUNTIMES.items() if is_installed(module)), None)


def _refuse_other_devices(what: str, device: str, precision: Precision) -> None:
    if device not in ("auto", "cpu"):
        raise ConfigError(f"--device {device}: {what} runs on the CPU; leave --device out")
    if precision not in ("auto", "fp32"):
        raise ConfigError(f"--precision {precision}: {what} runs as it was written; leave --precision out")


def _accelerator() -> bool:
    """Whether PyTorch may find one here, without asking it."""
    nvidia = os.path.exists("/dev/nvidiactl") or shutil.which("nvidia-smi") is not None
    return nvidia or (platform.system() == "Darwin" and platform.machine() == "arm64")
