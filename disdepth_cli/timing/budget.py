"""A student's time on this machine, before it is trained, beside the time that it may take."""

from __future__ import annotations

from typing import Any

from disdepth_cli.config import STUDENTS
from disdepth_cli.config.parts import StudentOptions
from disdepth_cli.errors import ConfigError
from disdepth_cli.timing.benchmark_rows import Row
from disdepth_cli.timing.cost import model_costs
from disdepth_cli.timing.student_costs import StudentCost, student_costs, untrained

RUNS = 15


def planned_latency(wanted: StudentOptions, budget: float | None) -> dict[str, Any]:
    """{"latency", "fits_budget"}: the student's time here in words.

    With a budget it is the time in the fastest runtime, with that of all students that fit; else that in PyTorch.

    Raises:
        StudentError: no such backbone.
    """
    if budget is None:
        return {"latency": _in_pytorch(wanted), "fits_budget": None}
    own, *others = _costs(wanted, _names(wanted.backbone))
    fitting = [_words(cost) for cost in (own, *others) if _fits(cost, budget)]
    return {"latency": _words(own), "fits_budget": fitting}


def _in_pytorch(wanted: StudentOptions) -> str:
    """The time of such a student with random weights, measured as after a run."""
    height, width = wanted.input_size
    cost = model_costs({"student": untrained(wanted).predictor("cpu", "fp32")}, height, width)["student"]
    return (
        f"{wanted.backbone}: {cost.latency_ms:.1f} ms ({cost.latency_min_ms:.1f} to {cost.latency_p95_ms:.1f}) an "
        f"image of {cost.input_size}, PyTorch, {cost.threads} threads"
    )


def check_budget(wanted: StudentOptions, budget: float) -> str:
    """The student's time in words.

    Raises:
        ConfigError: it is over the budget; the message names the students that fit.
    """
    (own,) = _costs(wanted, [wanted.backbone])
    if _fits(own, budget):
        return _words(own)
    others = _costs(wanted, _names(wanted.backbone)[1:])
    fitting = sorted((cost for cost in others if _fits(cost, budget)), key=_time, reverse=True)
    instead = "these fit [ms]: " + ", ".join(f"{cost.student} {_time(cost):.1f}" for cost in fitting)
    if not fitting:
        fastest = min((own, *others), key=_time)
        instead = f"none fits; the fastest is {fastest.student}, {_time(fastest):.1f} ms"
    raise ConfigError(
        f"--budget {budget:g}ms: {_words(own)}; {instead}; choose with --student, or a smaller --input-size"
    )


def _names(own: str) -> list[str]:
    """The student and the other short-named ones."""
    return [own, *(name for name, timm in STUDENTS.items() if own not in (name, timm))]


def _costs(wanted: StudentOptions, names: list[str]) -> list[StudentCost]:
    """Of students with the decoder and the working size that the options ask for."""
    students = [wanted.model_copy(update={"backbone": name}) for name in names]
    return student_costs(students, runs=RUNS, torch_too=False)


def _fits(cost: StudentCost, budget: float | None) -> bool:
    return budget is not None and _time(cost) <= budget


def _time(cost: StudentCost) -> float:
    """Median CPU time [ms]; infinite where nothing ran."""
    row = cost.fastest
    return row.cpu.median if row is not None and row.cpu is not None else float("inf")


def _words(cost: StudentCost) -> str:
    row: Row | None = cost.fastest
    if row is None or row.cpu is None:
        return f"{cost.student}: not measured ({next(iter(cost.rows.values())).failed})"
    spread = f"{row.cpu.median:.1f} ms CPU ({row.cpu.min:.1f} to {row.cpu.p95:.1f})"
    where = f"{row.about['runtime']}, {row.about['threads']} thread"
    return f"{cost.student}: {spread} an image of {row.about['input']}, {where}"
