"""What students would cost here, before any training: parameters, FLOPs and time of networks with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from disdepth_cli.checkpoint.metadata import save_checkpoint
from disdepth_cli.config.parts import StudentOptions
from disdepth_cli.exporting.calibration import our_sample
from disdepth_cli.exporting.format_table import FORMATS
from disdepth_cli.exporting.formats.session import is_installed
from disdepth_cli.exporting.metadata import Wanted
from disdepth_cli.exporting.write import describe_student, write_student
from disdepth_cli.models.encoder import timm_name
from disdepth_cli.models.student import DepthStudent, StudentArchitecture, build_student
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.timing.benchmark_rows import Entry, Row, contest
from disdepth_cli.timing.cost import flops_of
from disdepth_cli.working_size import WorkingSize, resize_image

RUNS = 20


@dataclass(frozen=True)
class StudentCost:
    """Of one image of the working size: parameters; FLOPs (a multiply-add counts two); times by runtime."""

    student: str
    parameters: int
    flops: int
    rows: dict[str, Row]

    @property
    def fastest(self) -> Row | None:
        """The runtime that took least CPU time; None where none ran."""
        timed = [row for row in self.rows.values() if row.cpu is not None]
        return min(timed, key=lambda row: row.cpu.median if row.cpu else 0.0, default=None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        times = {name: row.as_dict() for name, row in self.rows.items()}
        return {"student": self.student, "parameters": self.parameters, "flops": self.flops, "runtimes": times}


def student_costs(
    students: Sequence[StudentOptions], *, threads: int = 1, runs: int = RUNS, torch_too: bool = True
) -> list[StudentCost]:
    """Costs of the students that the options describe, timed in turns, one process each.

    Every one in ONNX Runtime where that is installed, and in PyTorch (torch_too, or where nothing else is). Weights are
    random: they change no time.

    Raises:
        StudentError: no such backbone.
    """
    elsewhere = all(map(is_installed, (*FORMATS["onnx"].writers, "onnxruntime")))
    with TemporaryDirectory() as temporary:
        entries: list[Entry] = []
        found: list[tuple[str, int, int]] = []
        for number, wanted in enumerate(students):
            file = Path(temporary) / f"{number}.safetensors"
            student = _written(wanted, file)
            found.append((wanted.backbone, student.parameters, flops_of(student, *wanted.input_size)))
            if torch_too or not elsewhere:
                entries.append(Entry("torch", str(file), "torch", str(number)))
            if elsewhere:
                entries.append(Entry("onnx", _exported(student, file, wanted.input_size), "auto", str(number)))
        image = resize_image(our_sample().check[0], students[0].input_size)
        rows = contest(entries, image, (), runs=runs, threads=threads)
    return [
        StudentCost(*known, {row.entry.name: row for row in rows if row.entry.network == str(number)})
        for number, known in enumerate(found)
    ]


def untrained(wanted: StudentOptions) -> DepthStudent:
    """Such a student, with random weights.

    Raises:
        StudentError: no such backbone.
    """
    return build_student(
        StudentArchitecture(
            backbone=timm_name(wanted.backbone),
            min_depth=0.001,
            max_depth=10.0,
            working_size=WorkingSize(*wanted.input_size),
            lg_conv=wanted.lg_conv,
            decoder_channels=wanted.decoder_channels,
            bins=wanted.bins,
        )
    )


def _written(wanted: StudentOptions, file: Path) -> DepthPredictor:
    """Write such a student, which is then opened for prediction."""
    student = untrained(wanted)
    save_checkpoint(file, student.state_dict(), student.describe("student"))
    return student.predictor("cpu", "fp32")


def _exported(student: DepthPredictor, file: Path, size: tuple[int, int]) -> str:
    """The student of the checkpoint `file` as ONNX, beside it."""
    path = file.with_suffix(".onnx")
    about = describe_student(file, Wanted("onnx", source=size, input="tensor"), student.parameters)
    write_student(student.model, about, path)
    return str(path)
