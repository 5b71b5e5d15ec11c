"""report.html of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from disdepth_cli.config import EvaluateConfig
from disdepth_cli.outputs.page import parts
from disdepth_cli.outputs.page.again import command_of
from disdepth_cli.outputs.page.charts import Chart, histogram_chart
from disdepth_cli.outputs.page.page import Page, Section, Table, write_page
from disdepth_cli.outputs.page.shown import ShownImage

OWN = "model"
NAMES = {"constant": "constant", "mean_map": "mean map", "teacher": "teacher"}
BUCKETS = ("near", "middle", "far")
OF_BUCKETS = ("abs_rel", "rmse", "delta1")


def write_evaluate_page(
    file: Path,
    config: EvaluateConfig,
    result: Mapping[str, Any],
    errors: Mapping[str, Any],
    worst: Sequence[ShownImage],
    others: Sequence[ShownImage],
) -> None:
    """Write the page of a result. errors: `metric`, `edges`, `counts` of a histogram over images.

    Raises:
        DisdepthError: the file cannot be written.
    """
    write_page(file, _page(config, result, errors, worst, others))


def _page(
    config: EvaluateConfig,
    result: Mapping[str, Any],
    errors: Mapping[str, Any],
    worst: Sequence[ShownImage],
    others: Sequence[ShownImage],
) -> Page:
    baselines = result["baselines"]
    models = {NAMES[name]: one for name, one in baselines.items() if "unavailable" not in one and name != "teacher"}
    models |= {OWN: result}
    if "unavailable" not in baselines.get("teacher", {"unavailable": ""}):
        models["teacher"] = baselines["teacher"]
    without = [f"{NAMES[name]}: {one['unavailable']}" for name, one in baselines.items() if "unavailable" in one]
    table = parts.metrics_table(models, OWN, result["intervals"])
    lines = [*result["warnings"], *without]
    sections = [
        Section(f"Result on {result['images']} images", lines, parts.metric_bars(models, OWN), [table]),
        Section("Beside the baselines", tables=_differences(baselines)),
        Section("Near, middle and far", tables=[_ranges(result)]),
        Section("Worst images", images=worst),
        Section("Other images", images=others),
        Section("Errors of the images", charts=_histogram(errors)),
        Section("Cost", facts=_facts(result)),
        Section("Make it again", command=command_of(EvaluateConfig, config.flat(), ("model",))),
    ]
    about = [f"data: {result['data']}, {result['split']}", parts.protocol_words(result["protocol"])]
    return Page(f"Evaluation of {result['model']}", about, sections)


def _differences(baselines: Mapping[str, Any]) -> list[Table]:
    """The interval of model - baseline for each."""
    known = {name: one["difference"] for name, one in baselines.items() if "difference" in one}
    if not known:
        return []
    metrics = list(next(iter(known.values())))
    rows = []
    for name, difference in known.items():
        cells = [("" if low is None else f"{low:+.4f} to {high:+.4f}") for low, high in difference.values()]
        rows.append([NAMES[name], *cells])
    note = "model less baseline, paired over images, 95 %; where 0 lies outside, the two differ"
    return [Table(["", *(parts.UNITS.get(name, name) for name in metrics)], rows, note=note)]


def _ranges(result: Mapping[str, Any]) -> Table:
    first, second = result["buckets"]
    labels = (f"near, below {first:g} m", f"middle, to {second:g} m", f"far, from {second:g} m")
    rows = []
    for bucket, label in zip(BUCKETS, labels, strict=True):
        cells = [parts.number(result.get(f"{bucket}_{name}")) for name in OF_BUCKETS]
        rows.append([label, *cells, str(result["images_with"].get(f"{bucket}_abs_rel", ""))])
    return Table(["", *(parts.UNITS.get(name, name) for name in OF_BUCKETS), "images"], rows)


def _histogram(errors: Mapping[str, Any]) -> list[Chart]:
    return [
        histogram_chart(parts.OF_EACH.format(errors["metric"]), errors["edges"], errors["counts"], errors["metric"])
    ]


def _facts(result: Mapping[str, Any]) -> dict[str, str]:
    spent = ", ".join(f"{name} {parts.duration(value)}" for name, value in result["seconds"].items())
    facts = {
        "parameters": f"{result['parameters'] / 1e6:.2f} M",
        "device": f"{result['device']}, {result['precision']}",
        "time": spent,
    }
    if result["errors"]:
        facts["not scored"] = "; ".join(result["errors"])
    return facts
