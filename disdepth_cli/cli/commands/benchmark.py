"""disdepth benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rich import box
from rich.table import Table

from disdepth_cli.cli.command import command
from disdepth_cli.cli.console import stdout
from disdepth_cli.config import BenchmarkConfig


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.benchmark import benchmark

    return benchmark


def _show(result: dict[str, Any]) -> None:
    what = "working size" if "students" in result else "image"
    title = f"{what} {result['image']}, {result['threads']} thread(s), {result['runs']} runs in turns"
    stdout.print(f"{title}; CPU and wall time in ms: median (least to 95 %)", soft_wrap=True, markup=False)
    if "students" in result:
        stdout.print(_students_table(result["students"]))
    else:
        ran = [row for row in result["rows"] if "failed" not in row]
        stdout.print(_times_table(ran))
        stdout.print(_details_table(ran))
        for line in _remarks(result):
            stdout.print(line, soft_wrap=True, markup=False)
    machine = result["machine"]
    load = f"load {machine['load']}" + (f" to {machine['load_after']}" if "load_after" in machine else "")
    known = ", ".join(machine["instructions"]) or "no instructions for networks known"
    stdout.print(f"{machine['processor']}, {machine['cores']} cores, {load}, {known}", soft_wrap=True, markup=False)


def _times_table(rows: list[dict[str, Any]]) -> Table:
    table = _table("model", "runtime", "computes in", "CPU", "wall", "x torch")
    for row in rows:
        speed = "" if row["x_torch"] is None else f"{row['x_torch']:.2f}"
        table.add_row(
            row["model"],
            _runtime(row),
            row["precision"],
            _spread(row["cpu_ms"]),
            _spread(row["wall_ms"]),
            speed,
        )
    return table


def _details_table(rows: list[dict[str, Any]]) -> Table:
    """What else was measured, in the order of the first table."""
    scored = any(row.get("accuracy") for row in rows)
    names = ("file MB", "memory MB", "load s", "first depth CPU s", "parity mean", "largest")
    table = _table("model", "runtime", *names, *(("abs_rel", "rmse", "delta1") if scored else ()))
    for row in rows:
        parity, accuracy = row["parity"], row.get("accuracy") or {}
        table.add_row(
            row["model"],
            _runtime(row),
            *(_number(row.get(name)) for name in ("file_mb", "peak_mb", "load_s", "start_cpu_s")),
            *((f"{parity['mean']:.1e}", f"{parity['largest']:.1e}") if parity else ("", "")),
            *((f"{accuracy[name]:.4f}" if name in accuracy else "" for name in ("abs_rel", "rmse", "delta1"))
              if scored else ()),
        )  # fmt: skip
    return table


def _runtime(row: dict[str, Any]) -> str:
    """Its name without the version."""
    return row["runtime"].rpartition(" ")[0]


def _students_table(students: list[dict[str, Any]]) -> Table:
    runtimes = list(dict.fromkeys(name for one in students for name in one["runtimes"]))
    table = _table(
        "student", "parameters", "GFLOPs", *(f"{name} {kind}" for name in runtimes for kind in ("CPU", "wall"))
    )
    for one in students:
        times = (one["runtimes"][name] for name in runtimes)
        table.add_row(
            one["student"],
            f"{one['parameters'] / 1e6:.2f} M",
            f"{one['flops'] / 1e9:.2f}",
            *(row.get("failed") or _spread(row[kind]) for row in times for kind in ("cpu_ms", "wall_ms")),
        )
    return table


def _remarks(result: dict[str, Any]) -> Iterator[str]:
    yield "runtimes: " + ", ".join(dict.fromkeys(row["runtime"] for row in result["rows"] if "runtime" in row))
    for runtime, times in result["advantage"].items():
        yield f"{runtime}: the student takes 1/{times:.1f} of its teacher's CPU time"
    for row in result["rows"]:
        if "failed" in row:
            runtime = f" ({row['runtime']})" if "runtime" in row else ""
            yield f"failed: {row['model']}{runtime}: {row['failed']}"
        if "not_scored" in row:
            yield f"not scored: {row['model']}: {row['not_scored']}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < 2 else "right", overflow="fold")
    return table


def _spread(times: dict[str, float]) -> str:
    return f"{times['median']:.1f} ({times['min']:.1f} to {times['p95']:.1f})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


benchmark = command(
    BenchmarkConfig,
    _engine,
    _show,
    arguments=("models",),
    doc="Time models on this machine, in every runtime that is installed, with their teacher beside them.",
)
