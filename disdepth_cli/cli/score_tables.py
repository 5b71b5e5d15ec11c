"""What evaluate prints, the model beside its baselines, near and far apart; and the loss weights that distill tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Table

from disdepth_cli.cli.console import METRICS

DETAILS = ("pair_accuracy", "boundary_f1")
BASELINES = {"constant": "constant", "mean_map": "mean map", "teacher": "teacher"}
BUCKETS = ("near", "middle", "far")
OF_BUCKETS = ("abs_rel", "rmse", "delta1")
OF_SWEEPS = ("rmse", "abs_rel", "delta1")


def scores_table(result: dict[str, Any]) -> Table:
    """A row a metric: the model's mean and its interval, the baselines' means. Fits a terminal of 80 columns."""
    table = _table("")
    for label in ("model", "95 % interval", *(BASELINES[name] for name in _scored(result))):
        table.add_column(label, justify="right", no_wrap=True)
    for name in (*METRICS, *DETAILS):
        if name not in result:
            continue
        low, high = result["intervals"][name]
        interval = "" if low is None else f"{low:.4f} to {high:.4f}"
        others = (_number(baseline.get(name)) for baseline in _scored(result).values())
        table.add_row(name, _number(result[name]), interval, *others)
    return table


def ranges_table(result: dict[str, Any]) -> Table:
    """Near, middle and far: the model's scores there, and the baselines' AbsRel. Fits a terminal of 80 columns."""
    first, second = result["buckets"]
    ranges = (f"near, < {first:g} m", f"middle, to {second:g} m", f"far, >= {second:g} m")
    table = _table("")
    for label in (*OF_BUCKETS, "images", *(f"{BASELINES[name]}" for name in _scored(result))):
        table.add_column(label, justify="right", no_wrap=True)
    for bucket, label in zip(BUCKETS, ranges, strict=True):
        own = (_number(result.get(f"{bucket}_{name}")) for name in OF_BUCKETS)
        others = (_number(baseline.get(f"{bucket}_abs_rel")) for baseline in _scored(result).values())
        table.add_row(label, *own, str(result["images_with"].get(f"{bucket}_abs_rel", "")), *others)
    return table


def remarks(result: dict[str, Any]) -> Iterator[str]:
    """What the tables do not say, a line each."""
    baselines = result["baselines"]
    if _scored(result):
        yield "near, middle, far: the last columns are the baselines' abs_rel"
    constant, mean_map = baselines.get("constant", {}), baselines.get("mean_map", {})
    if constant.get("depth") is not None:
        yield f"constant: {constant['depth']:.2f} m, the best one for {constant['best_for']} on these very images"
    if "images" in mean_map:
        yield f"mean map: mean depth of {mean_map['images']} of {mean_map['of']} training images"
    for name, baseline in baselines.items():
        if "unavailable" in baseline:
            yield f"{BASELINES[name]}: not scored: {baseline['unavailable']}"
        elif "note" in baseline:
            yield f"{BASELINES[name]}: {baseline['note']}"
    for picture in result.get("worst", ()):
        yield f"worst: {picture['file']}"


def sweep_table(swept: dict[str, Any]) -> Table:
    """A row a setting of the loss weights: its scores after a short run, its RMSE less the control's. 80 columns."""
    table = _table("")
    for label in ("output", "feature", *OF_SWEEPS, "rmse - control's"):
        table.add_column(label, justify="right", no_wrap=True)
    for row in swept["settings"]:
        weights = (f"{row[name]:g}" for name in ("output_weight", "feature_weight"))
        scores = (_number(row[name]) for name in OF_SWEEPS)
        difference = "" if row["setting"] == "control" or row["difference"] is None else f"{row['difference']:+.4f}"
        table.add_row(row["setting"], *weights, *scores, difference)
    return table


def _scored(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The baselines that have scores."""
    return {name: one for name, one in result["baselines"].items() if "unavailable" not in one}


def _table(first: str) -> Table:
    return Table(first, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
