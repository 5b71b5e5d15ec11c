"""disdepth distill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rich.table import Table

from disdepth_cli.cli.command import command
from disdepth_cli.cli.commands.push import show as show_push
from disdepth_cli.cli.console import metrics_table, protocol_line, stdout
from disdepth_cli.cli.score_tables import sweep_table
from disdepth_cli.config import DistillConfig
from disdepth_cli.results.training import beside_constant


def _engine() -> Callable[..., Any]:
    from disdepth_cli.engine.distill import distill

    return distill


def _show(report: dict[str, Any]) -> None:
    if "plan" in report:
        for name, value in report["plan"].items():
            shown = " ".join(value) if isinstance(value, list) else value
            stdout.print(f"{name}: {'none' if shown in (None, '') else shown}", soft_wrap=True, markup=False)
        return
    label = "student" if report["distilled"] or "init" in report else "control"
    title = f"{protocol_line(report['protocol'])}; scored against {report['scored_against']}"
    stdout.print(title, soft_wrap=True)
    if "sweep" in report:
        _show_sweep(report["sweep"])
    beside = {"control": report["control"]["metrics"]} if "control" in report else {}
    for name, baseline in report["baselines"].items():
        beside[f"{name}, aligned" if "note" in baseline else name] = baseline
    stdout.print(metrics_table({label: report["best"], **beside}))
    standing = beside_constant("student", report["best"], report["baselines"].get("constant", {}))
    for line in (*([standing] if standing else []), *_gain_lines(report)):
        stdout.print(line, soft_wrap=True, markup=False)
    stdout.print(_cost_table(report["cost"]))
    stdout.print(f"student: {report['run']}/student.safetensors{_instead(report)}", soft_wrap=True, markup=False)
    if "push" in report:
        show_push(report["push"])


def _show_sweep(swept: dict[str, Any]) -> None:
    stdout.print(f"sweep of the loss weights, {swept['steps']} steps each")
    stdout.print(sweep_table(swept))
    beats = "" if swept["beats_control"] else ", the least harmful: none beat the control"
    stdout.print(f"sweep: {swept['chosen']} was taken{beats}; val was used to choose", soft_wrap=True, markup=False)


def _gain_lines(report: dict[str, Any]) -> Iterator[str]:
    """What distillation has gained, a line a metric."""
    if "gain" not in report:
        return
    from disdepth_cli.comparison.gain import gain_in_words

    for metric, gain in report["gain"].items():
        yield gain_in_words(metric, gain)
    yield "in brackets: 95 % interval over the val images; another --seed may give another gain"
    yield f"control: {report['control']['run']}/student.safetensors"


def _instead(report: dict[str, Any]) -> str:
    """What to say of the file where it is not the distilled student."""
    kept = report.get("kept", {})
    if kept.get("student") != "control":
        return ""
    return f" (the control, whose RMSE is lower; the distilled one is {report['run']}/{kept['distilled']})"


def _cost_table(costs: dict[str, dict[str, Any]]) -> Table:
    table = Table()
    for column in ("", "parameters", "GFLOPs", "ms (least to 95 %)", "CPU ms", "input", "on"):
        table.add_column(column, justify="right" if column else "left")
    for name, cost in costs.items():
        table.add_row(
            name,
            f"{cost['parameters'] / 1e6:.2f} M",
            f"{cost['flops'] / 1e9:.2f}",
            *_times(cost),
            cost["input_size"],
            f"{cost['device']} {cost['precision']}" + (f", {cost['threads']} threads" if "threads" in cost else ""),
        )
    return table


def _times(cost: dict[str, Any]) -> tuple[str, str]:
    """Wall and CPU time; runs of earlier versions have the median alone."""
    if "cpu_ms" not in cost:
        return f"{cost['latency_ms']:.1f}", ""
    spread = f"({cost['latency_min_ms']:.1f} to {cost['latency_p95_ms']:.1f})"
    return f"{cost['latency_ms']:.1f} {spread}", f"{cost['cpu_ms']:.1f}"


def _online_to_push(options: dict[str, Any]) -> None:
    """A push that is asked for now wins over the --offline that a resumed run was started with."""
    if options.get("push_to_hub"):
        options.setdefault("offline", False)


distill = command(
    DistillConfig,
    _engine,
    _show,
    prepare=_online_to_push,
    doc="Train a student with an acclimated teacher (writes student.safetensors).",
)
