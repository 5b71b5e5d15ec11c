"""Which runtime predicts: an exported file's own, the fastest one here for a student's checkpoint, or PyTorch.

No torch at import: a file for another runtime predicts without it.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import disdepth_cli
from disdepth_cli.checkpoint.locate import hub_student, may_be_on_hub, student_file
from disdepth_cli.config.types import Backend, Precision
from disdepth_cli.data.shards.eviction import cache_folder
from disdepth_cli.errors import ConfigError, DisdepthError, ExportError
from disdepth_cli.exporting.exported import ExportedPredictor, is_exported, open_exported
from disdepth_cli.exporting.format_table import FORMATS
from disdepth_cli.exporting.formats.session import is_installed
from disdepth_cli.exporting.metadata import sha256_of
from disdepth_cli.files import write_atomic, write_text
from disdepth_cli.observer import Observer

Runtime = Literal["onnx", "openvino"]
RUNTIMES: dict[Runtime, str] = {"onnx": "onnxruntime", "openvino": "openvino"}
"""Backend to the module that it needs, the faster one first: their times are alike, ONNX Runtime starts sooner."""
RECIPE = 1
"""Of the files in the cache: raise it when the same checkpoint would be written otherwise."""


def open_elsewhere(
    model: str,
    backend: Backend | None = "auto",
    device: str = "auto",
    precision: Precision = "auto",
    revision: str | None = None,
    offline: bool = False,
    observers: Sequence[Observer] = (),
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
    cached = _Cached(file, model, runtime, observers)
    return cached.open_if_possible() if backend == "auto" else cached.open()


def prepare(
    model: str,
    runtime: Runtime,
    revision: str | None = None,
    offline: bool = False,
    observers: Sequence[Observer] = (),
) -> Path:
    """The file in the cache that `open_elsewhere` will open for a student; exported now where it was not before.

    Raises:
        CheckpointError, ExportError: it cannot be had.
    """
    return _Cached(student_file(model, revision, offline), model, runtime, observers).file_there()


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


class _Cached:
    """The ONNX file, for any size of image, of one checkpoint."""

    def __init__(self, file: Path, model: str, runtime: Runtime, observers: Sequence[Observer]) -> None:
        self.file, self.model, self.runtime, self.observers = file, model, runtime, observers
        key = f"{sha256_of(file)[:32]}-{disdepth_cli.__version__}-{RECIPE}"
        self.place = cache_folder() / "exports" / f"{key}.onnx"
        self.failed = self.place.with_suffix(".failed")

    def open(self) -> ExportedPredictor:
        """The student in the runtime, exported now where it was not before.

        Raises:
            CheckpointError, ExportError: it cannot be had.
        """
        if self.place.is_file():
            try:
                return self._opened()
            except ExportError:  # a damaged copy; what else is wrong shows again below
                self.place.unlink(missing_ok=True)
        self._write()
        return self._opened()

    def file_there(self) -> Path:
        """The ONNX file.

        Raises:
            CheckpointError, ExportError: it cannot be had.
        """
        if not self.place.is_file():
            self._write()
        return self.place

    def open_if_possible(self) -> ExportedPredictor | None:
        """The same; None where the student has to run in PyTorch, which is said once."""
        written = self.place.is_file()
        if self.failed.is_file() or not (written or all(map(is_installed, FORMATS["onnx"].writers))):
            return None
        try:
            return self.open()
        except ExportError as error:
            write_text(self.failed, f"{error}\n")
            for observer in self.observers:
                observer.on_warning(f"{error}; PyTorch runs this student")
            return None

    def _opened(self) -> ExportedPredictor:
        return open_exported(str(self.place), self.runtime)

    def _write(self) -> None:
        """Export, and compare with PyTorch on a real image."""
        from disdepth_cli.exporting.calibration import our_sample
        from disdepth_cli.exporting.check import check_export
        from disdepth_cli.exporting.metadata import Wanted
        from disdepth_cli.exporting.write import describe_student, write_student
        from disdepth_cli.scoring.open_model import open_student

        for observer in self.observers:
            observer.on_note(
                f"exporting {self.model} once for {self.runtime}, into {self.place.parent} (--backend torch: without)"
            )
        student = open_student(self.file, "cpu", "fp32")
        about = describe_student(self.file, Wanted("onnx", input="tensor", dynamic="all"), student.parameters)

        def write(temporary: Path) -> None:
            write_student(student.model, about, temporary)
            check_export(temporary, about, student, our_sample().check)

        try:
            write_atomic(self.place, write)
        except DisdepthError:
            raise
        except Exception as error:  # exporters raise anything at a layer that they do not know
            reason = " ".join(str(error).split())[:200]
            raise ExportError(f"{self.model}: cannot be exported to ONNX ({type(error).__name__}: {reason})") from error
