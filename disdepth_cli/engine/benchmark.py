"""Benchmark: models timed against each other on this machine, their depth compared, their teacher beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from disdepth_cli.config import BenchmarkConfig
from disdepth_cli.config.parts import StudentOptions
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import ConfigError, DataError, ExportError, MissingError
from disdepth_cli.exporting.calibration import our_sample, read_samples
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.results.export import BenchmarkResult
from disdepth_cli.scoring.exported_accuracy import accuracy_of
from disdepth_cli.timing.benchmark_rows import Row, contest
from disdepth_cli.timing.clock import this_machine
from disdepth_cli.timing.entries import TEACHER, Field, entries_of
from disdepth_cli.timing.student_costs import student_costs
from disdepth_cli.working_size import resize_image

IMAGE_SIZE, WORKING_SIZE = (480, 640), (240, 320)


def benchmark(config: BenchmarkConfig, observer: Observer = SILENT) -> BenchmarkResult:
    """Time models, each in a process of its own, in turns: an image (H, W, 3) uint8 in, its depth out.

    Raises:
        DisdepthError: nothing to time, or a model that cannot be found.
    """
    if bool(config.models) == bool(config.students):
        raise ConfigError("benchmark: name models, or --students a,b,c; one of the two")
    machine = this_machine()
    found = _of_students(config) if config.students else _of_models(config, observer)
    machine["load_after"] = this_machine()["load"]
    return BenchmarkResult(threads=config.threads, runs=config.runs, machine=machine, **found)


def _of_students(config: BenchmarkConfig) -> dict[str, Any]:
    """Costs of students that are not trained yet."""
    size = config.input_size or WORKING_SIZE
    students = [StudentOptions(backbone=name, input_size=size) for name in config.students or ()]
    costs = student_costs(students, threads=config.threads, runs=config.runs)
    return {"image": _words(size), "students": [cost.as_dict() for cost in costs]}


def _of_models(config: BenchmarkConfig, observer: Observer) -> dict[str, Any]:
    """The rows of models that there are."""
    size = config.input_size or IMAGE_SIZE
    source = load_source(config.data) if config.data else None
    teacher, how = (config.teacher, config.time_teacher), (config.revision, config.offline)
    entries, lost = entries_of(Field(config.models, size, config.backend, *teacher, *how), observer)
    image, *others = (resize_image(one, size) for one in (read_samples(source) if source else our_sample()).check)
    rows = contest(entries, image, others, runs=config.runs, threads=config.threads)
    described = [{**row.as_dict(), "x_torch": _times_torch(row, rows)} for row in rows]
    if source is not None:
        for row, shown in zip(rows, described, strict=True):
            shown |= _accuracy(row, source, size, observer)
    described += [{"model": name, "failed": reason} for name, reason in lost]
    return {"image": _words(size), "rows": described, "advantage": _advantage(rows)}


def _words(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _times_torch(row: Row, rows: Sequence[Row]) -> float | None:
    """CPU time of the same network in PyTorch, its first row, by this one's."""
    torch = next((one for one in rows if one.entry.network == row.entry.network and one.entry.backend == "torch"), None)
    if torch is None or torch.cpu is None or row.cpu is None:
        return None
    return round(torch.cpu.median / row.cpu.median, 2)


def _advantage(rows: Sequence[Row]) -> dict[str, float]:
    """Runtime to the teacher's CPU time by that of the first student there, both in float32."""
    found: dict[str, float] = {}
    for teacher in (row for row in rows if row.entry.name == TEACHER and row.cpu is not None):
        runtime = teacher.about["runtime"]
        student = next((row for row in rows if row.entry.name != TEACHER and _comparable(row, runtime)), None)
        if student is not None and student.cpu is not None and teacher.cpu is not None:
            found[runtime] = round(teacher.cpu.median / student.cpu.median, 1)
    return found


def _comparable(row: Row, runtime: str) -> bool:
    return row.cpu is not None and row.about["runtime"] == runtime and row.about["precision"] == "fp32"


def _accuracy(row: Row, source: DataSource, size: tuple[int, int], observer: Observer) -> dict[str, Any]:
    """{"accuracy": metrics on the val images}, or why there are none."""
    if row.failed is not None:
        return {}
    observer.on_note(f"scoring {row.entry.name} ({row.about['runtime']})")
    try:
        return {"accuracy": accuracy_of(row.entry.model, row.entry.backend, source, size)}
    except (DataError, ExportError, MissingError) as error:
        return {"accuracy": None, "not_scored": str(error)}
