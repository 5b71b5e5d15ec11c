"""Who takes part in a contest: the models that were named in every runtime that is here, and their teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from disdepth_cli.checkpoint.locate import student_file
from disdepth_cli.checkpoint.metadata import TeacherRecord, read_metadata
from disdepth_cli.config.types import Backend
from disdepth_cli.errors import DisdepthError, MissingError, TeacherError
from disdepth_cli.exporting.exported import exported_about, is_exported
from disdepth_cli.exporting.formats.session import is_installed
from disdepth_cli.exporting.metadata import sha256_of
from disdepth_cli.exporting.teacher_graph import teacher_file
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.scoring.backend import RUNTIMES, Runtime, is_student, prepare
from disdepth_cli.scoring.teacher_of import find_teacher
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.timing.benchmark_rows import Entry

TEACHER = "teacher"
"""What the table calls the teacher of the models."""


@dataclass(frozen=True)
class Field:
    """What there is to take part. size: (height, width) of the image; backends: none for all that are installed."""

    models: Sequence[str]
    size: tuple[int, int]
    backends: Sequence[Literal["torch", "onnx", "openvino"]] = ()
    teacher: str | None = None
    with_teacher: bool = True
    revision: str | None = None
    offline: bool = False


def entries_of(field: Field, observer: Observer = SILENT) -> tuple[list[Entry], list[tuple[str, str]]]:
    """All entries, and (name, reason) of those that cannot take part.

    A student's checkpoint and a teacher are exported for the other runtimes now: that is no part of their start.

    Raises:
        DisdepthError: the only model that was named cannot be found.
    """
    found = _Entries(field, observer)
    for model in field.models:
        try:
            found.add(model)
        except DisdepthError as error:
            if len(field.models) == 1:
                raise
            found.lost.append((model, str(error)))
    if field.with_teacher:
        found.add_teacher()
    return found.entries, found.lost


class _Entries:
    """The entries so far."""

    def __init__(self, field: Field, observer: Observer) -> None:
        self.field, self.observer = field, observer
        self.entries: list[Entry] = []
        self.lost: list[tuple[str, str]] = []
        self.records: list[tuple[TeacherRecord, Path]] = []

    def _runtimes(self) -> list[Runtime]:
        """Those besides PyTorch."""
        asked = self.field.backends
        return [name for name, module in RUNTIMES.items() if (name in asked if asked else is_installed(module))]

    @property
    def _torch(self) -> bool:
        return not self.field.backends or "torch" in self.field.backends

    def add(self, model: str) -> None:
        if is_exported(model):
            self._add_file(model)
        elif is_student(model, self.field.revision, self.field.offline):
            self._add_student(model)
        else:
            self._add_other(model, load_teacher(model, offline=self.field.offline), model)

    def _add_file(self, model: str) -> None:
        path, about = exported_about(model)
        if about.teacher:
            self.records.append((TeacherRecord.model_validate(about.teacher), path.parent))
        backends: list[Backend] = ["auto"]
        if about.format == "onnx" and "openvino" in self._runtimes():
            backends.append("openvino")
        self.entries += [Entry(path.name, model, one, about.checkpoint_sha256, path) for one in backends]

    def _add_student(self, model: str) -> None:
        field = self.field
        file = student_file(model, field.revision, field.offline)
        if (record := read_metadata(file).teacher) is not None:
            self.records.append((record, file.parent))
        network, name = sha256_of(file), Path(model).name if Path(model).exists() else model
        if self._torch:
            self.entries.append(Entry(name, str(file), "torch", network, file))
        for runtime in self._runtimes():
            try:
                path = prepare(str(file), runtime, observer=self.observer)
            except DisdepthError as error:
                self.lost.append((f"{name} in {runtime}", str(error)))
            else:
                self.entries.append(Entry(name, str(file), runtime, network, path))

    def add_teacher(self) -> None:
        """The teacher that was named, else the first that a model names and that is on this machine."""
        reasons = []
        if self.field.teacher is not None:
            name = self.field.teacher
            self._add_other(name, load_teacher(name, offline=self.field.offline), TEACHER)
            return
        for record, folder in self.records:
            try:
                name, teacher = find_teacher(record, folder)
            except TeacherError as error:
                reasons.append(str(error))
                continue
            self._add_other(name, teacher, TEACHER)
            return
        if reasons:
            self.lost.append((TEACHER, reasons[0]))

    def _add_other(self, model: str, teacher: DepthTeacher, name: str) -> None:
        """A teacher, in PyTorch and as ONNX."""
        network = teacher.contract.fingerprint
        if self._torch:
            self.entries.append(Entry(name, model, "torch", network))
        runtimes = self._runtimes()
        if not runtimes:
            return
        try:
            path = teacher_file(teacher, self.field.size)
        except MissingError:
            return
        except DisdepthError as error:
            self.lost.append((f"{name} in other runtimes", str(error)))
        else:
            self.entries += [Entry(name, str(path), runtime, network, path) for runtime in runtimes]
