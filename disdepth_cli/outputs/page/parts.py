"""Parts that the pages of runs and of evaluations share: tables of metrics, bars, what was gained, what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from disdepth_cli.config.types import METRICS
from disdepth_cli.outputs.page.page import Bars, Table

SHOWN = (*METRICS, "disparity_error", "pair_accuracy", "boundary_f1")
UNITS = {"rmse": "rmse [m]", "sq_rel": "sq_rel [m]"}
OF_EACH = "{} of each image; the last bar holds all beyond"
OF_BARS = ("rmse", "disparity_error")
UNLIKE = "aligned to each image's ground truth, since its numbers have no scale"

Metrics = Mapping[str, Any]


def number(value: Any) -> str:
    """A metric, as the terminal prints it; empty where there is none."""
    return "" if value is None else f"{value:.4f}"


def metrics_table(models: Mapping[str, Metrics], own: str, intervals: Metrics | None = None) -> Table:
    """A row a metric, a column a model. own: the model that the page is about; intervals: of that model's means."""
    names = list(models)
    columns = ["", *names]
    place = names.index(own) + 1 if own in names else 0
    if intervals:
        columns.insert(place + 1, "95 % interval")
    rows = []
    for metric in SHOWN:
        if not any(metric in metrics for metrics in models.values()):
            continue
        row = [UNITS.get(metric, metric), *(number(metrics.get(metric)) for metrics in models.values())]
        if intervals:
            low, high = intervals.get(metric) or (None, None)
            row.insert(place + 1, "" if low is None else f"{low:.4f} to {high:.4f}")
        rows.append(row)
    aligned = [name for name, metrics in models.items() if "note" in metrics]
    return Table(columns, rows, place, f"{', '.join(aligned)}: {UNLIKE}" if aligned else "")


def metric_bars(models: Mapping[str, Metrics], own: str) -> Bars | None:
    """The error of each model as a bar; None where there is nothing to compare with."""
    for metric in OF_BARS:
        known = [(name, float(one[metric]), name == own) for name, one in models.items() if one.get(metric) is not None]
        if len(known) > 1:
            return Bars(f"{UNITS.get(metric, metric)}, smaller is better", known)
    return None


def gain_table(gain: Mapping[str, Metrics]) -> Table:
    """What distillation has over the control, a row a metric."""
    columns = ("", "student", "control", "difference", "95 % interval", "relative", "verdict")
    rows = []
    for metric, one in gain.items():
        low, high = one["interval"]
        interval = "" if low is None else f"{low:+.4f} to {high:+.4f}"
        relative = "" if one["relative"] is None else f"{100 * one['relative']:+.1f} %"
        own, other = number(one["student"]), number(one["control"])
        difference = f"{one['difference']:+.4f}"
        rows.append([UNITS.get(metric, metric), own, other, difference, interval, relative, one["verdict"]])
    images = next((one["images"] for one in gain.values()), 0)
    note = f"student less control, paired over {images} val images; another --seed may give another gain"
    return Table(columns, rows, 1, note)


def cost_table(cost: Mapping[str, Metrics]) -> Table:
    """Size and time of one image."""
    columns = ("", "parameters", "GFLOPs", "ms an image", "CPU ms", "input", "on")
    rows = []
    for name, one in cost.items():
        threads = f", {one['threads']} threads" if "threads" in one else ""
        rows.append(
            [
                name,
                f"{one['parameters'] / 1e6:.2f} M",
                f"{one['flops'] / 1e9:.2f}",
                f"{one['latency_ms']:.1f}",
                f"{one['cpu_ms']:.1f}" if "cpu_ms" in one else "",
                str(one["input_size"]),
                f"{one['device']} {one['precision']}{threads}",
            ]
        )
    return Table(columns, rows)


def worst_table(rows: Sequence[Metrics]) -> Table:
    """The worst images, a row each; the columns are those of the first row."""
    label, names = "image", [name for name in rows[0] if name != "image"]
    return Table(
        ["worst images", *(UNITS.get(name, name) for name in names)],
        [[str(row.get(label, "")), *(number(row.get(name)) for name in names)] for row in rows],
    )


def protocol_words(protocol: Metrics) -> str:
    """A protocol in a line; older reports may lack some of it."""
    if "min_depth" not in protocol:
        return ""
    return (
        f"protocol {protocol['name']}: {protocol['min_depth']:g} m < ground truth < {protocol['max_depth']:g} m, crop "
        f"{protocol['crop']}, align {protocol['align']}"
    )


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
