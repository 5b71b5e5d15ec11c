"""What export and benchmark give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from disdepth_cli.results.result import IF_ANY, Result


@dataclass(frozen=True)
class ExportResult(Result):
    """A student for another runtime.

    Attributes:
        model: the student that was exported.
        file: the file, or the folder of a format that has several.
        folder: where it lies, with `export.json` and `run.py`.
        bytes: the size of the file.
        sha256: name of each file to its hash.
        check: `state` is ok or unchecked. ok: `mean` and `largest`, the relative difference to predict's depth, with
            `limit`, `images` and `runtime`. unchecked: the `reason`.
        accuracy: of int8 where the calibration data have depth: metrics of `predict` and `exported` on their val
            images; else None.
        warnings: what to mind, a line each.
        metadata: what the file says of itself: unit, range, layout, sizes, precision, teacher, licence, versions.
    """

    model: str
    file: str
    folder: str
    bytes: int
    sha256: dict[str, str]
    check: dict[str, Any]
    accuracy: dict[str, Any] | None
    warnings: list[str]
    metadata: dict[str, Any]


@dataclass(frozen=True)
class BenchmarkResult(Result):
    """Times of models on this machine, which took turns.

    Attributes:
        image: size HxW of the image; of `students` their working size.
        threads: of each model.
        runs: times that each model predicted.
        machine: processor, cores, instruction sets and load.
        rows: one a model and runtime: `model`, `runtime`, `precision`, `wall_ms` and `cpu_ms` (`min`, `median`,
            `p95`), `x_torch` (the same network's CPU time in PyTorch by this one's), `load_s`, `start_s` and
            `start_cpu_s` (to the first depth), `peak_mb`, `file_mb`, `parity` (`mean` and `largest`, relative to
            PyTorch's depth), `accuracy` where data were given; or `failed`, the reason. None for students.
        advantage: runtime to the teacher's CPU time by the first student's. None for students.
        students: `student`, `parameters`, `flops` and the times by runtime, of networks with random weights; None
            where models were named.
    """

    image: str
    threads: int
    runs: int
    machine: dict[str, Any]
    rows: list[dict[str, Any]] | None = field(default=None, metadata=IF_ANY)
    advantage: dict[str, float] | None = field(default=None, metadata=IF_ANY)
    students: list[dict[str, Any]] | None = field(default=None, metadata=IF_ANY)
