"""A student's checkpoint, exported into the cache when another runtime first runs it. No torch at import."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from disdepth_cli.errors import ExportError, MissingError
from disdepth_cli.exporting.cached import cached_onnx
from disdepth_cli.exporting.exported import ExportedPredictor, open_exported
from disdepth_cli.exporting.format_table import FORMATS
from disdepth_cli.exporting.formats.session import is_installed
from disdepth_cli.exporting.metadata import sha256_of
from disdepth_cli.files import write_atomic, write_text
from disdepth_cli.observer import Observer

Runtime = Literal["onnx", "openvino"]


class ExportedOnce:
    """The ONNX file, for any size of image, of one checkpoint, in the cache."""

    def __init__(self, file: Path, model: str, runtime: Runtime, observer: Observer) -> None:
        self.file, self.model, self.runtime, self.observer = file, model, runtime, observer
        self.path = cached_onnx(sha256_of(file)[:32])
        self.failed = self.path.with_suffix(".failed")

    def open(self) -> ExportedPredictor:
        """The student in the runtime, exported now where it was not before.

        Raises:
            CheckpointError, ExportError: it cannot be had.
        """
        if self.path.is_file():
            try:
                return self._opened()
            except ExportError:  # a damaged copy; what else is wrong shows again below
                self.path.unlink(missing_ok=True)
        self._write()
        return self._opened()

    def file_there(self) -> Path:
        """The ONNX file.

        Raises:
            CheckpointError, ExportError: it cannot be had.
        """
        if not self.path.is_file():
            self._write()
        return self.path

    def open_if_possible(self) -> ExportedPredictor | None:
        """The same; None where the student has to run in PyTorch, which is said once."""
        written = self.path.is_file()
        if self.failed.is_file() or not (written or all(map(is_installed, FORMATS["onnx"].writers))):
            return None
        try:
            return self.open()
        except (ExportError, MissingError) as error:
            write_text(self.failed, f"{error}\n")
            self.observer.on_warning(f"{error}; PyTorch runs this student")
            return None

    def _opened(self) -> ExportedPredictor:
        return open_exported(str(self.path), self.runtime)

    def _write(self) -> None:
        """Export, and compare with PyTorch on a real image."""
        from disdepth_cli.exporting.calibration import our_sample
        from disdepth_cli.exporting.check import check_export
        from disdepth_cli.exporting.metadata import Wanted
        from disdepth_cli.exporting.write import describe_student, worded, write_student
        from disdepth_cli.scoring.open_model import open_student

        self.observer.on_note(
            f"exporting {self.model} once for {self.runtime}, into {self.path.parent} (--backend torch: without)"
        )
        student = open_student(self.file, "cpu", "fp32")
        about = describe_student(self.file, Wanted("onnx", input="tensor", dynamic="all"), student.parameters)

        def write(temporary: Path) -> None:
            write_student(student.model, about, temporary)
            check_export(temporary, about, student, our_sample().check)

        with worded(self.model):
            write_atomic(self.path, write)
