"""report.html of a run, made of what the run folder holds, while it trains and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from disdepth_cli.config import AcclimateConfig, DistillConfig
from disdepth_cli.config.base import BaseConfig
from disdepth_cli.errors import DataError
from disdepth_cli.outputs.curves import NOT_LOSSES, Curves, read_curves
from disdepth_cli.outputs.page import parts
from disdepth_cli.outputs.page.again import command_of
from disdepth_cli.outputs.page.charts import Chart, histogram_chart, line_chart
from disdepth_cli.outputs.page.page import Page, Section, Table, write_page
from disdepth_cli.outputs.page.shown import PageData
from disdepth_cli.results.training import DistillReport, beside_constant
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.runs.folder import RunFolder

KINDS: dict[str, type[BaseConfig]] = {"acclimate": AcclimateConfig, "distill": DistillConfig}
CURVES = ("rmse", "abs_rel", "delta1", "disparity_error")


def write_run_page(run: RunFolder, report: Mapping[str, Any], state: str = "") -> None:
    """Write report.html of a run. report: as report.json holds it; of a training that goes on, what is known by then.

    state: how far a training is; empty where it is finished.

    Raises:
        DisdepthError: the file cannot be written.
    """
    write_page(run.page_file, run_page(run, report, state))


def run_page(run: RunFolder, report: Mapping[str, Any], state: str = "") -> Page:
    """The page of a run."""
    config = RunContents(run.path).config()
    data = PageData.read(run.page_data_file)
    own, models = models_of(config, report)
    sections = [
        Section(
            "Result on the val images",
            _in_words(own, models, report),
            parts.metric_bars(models, own),
            [parts.metrics_table(models, own)] if any(models.values()) else [],
        ),
        Section("Does distillation help?", _kept(report), tables=_gain(report)),
        Section("Curves", charts=_charts(run, models, own)),
        Section("Images", images=data.images),
        Section("Errors of the val images", charts=_histogram(data), tables=_worst(data)),
        Section("Sweep of the loss weights", tables=_sweep(report)),
        Section("Cost", tables=_cost(report), facts=_facts(report)),
        Section(
            "Make it again",
            [f"the same from its options: disdepth {config['verb']} --config {run.path / 'config.yaml'} -o ANOTHER"],
            command=_command(config),
        ),
    ]
    return Page(_title(config, report), _about(config, report), sections, state)


def models_of(config: Mapping[str, Any], report: Mapping[str, Any]) -> tuple[str, dict[str, Mapping[str, Any]]]:
    """The model that the page is about, and all models with their metrics, the worst to be expected first."""
    if config.get("verb") == "acclimate":
        found = {
            "constant": report.get("constant_metrics"),
            "ghost": report.get("best") or report.get("ghost_metrics"),
            "teacher": report.get("teacher_metrics"),
            "teacher after training": report.get("teacher_metrics_after"),
        }
        if report.get("teacher_protocol", report.get("protocol")) != report.get("protocol") and found["teacher"]:
            found["teacher"] = {**found["teacher"], "note": parts.UNLIKE}
        return "ghost", {name: metrics for name, metrics in found.items() if metrics}
    own = DistillReport.judged(report)
    beside = report.get("baselines", {})
    found = {
        "constant": beside.get("constant"),
        "control": (report.get("control") or {}).get("metrics"),
        own: report.get("best"),
        "ghost": beside.get("ghost"),
        "teacher": beside.get("teacher"),
    }
    return own, {name: metrics for name, metrics in found.items() if metrics}


def _in_words(own: str, models: Mapping[str, Mapping[str, Any]], report: Mapping[str, Any]) -> list[str]:
    standing = beside_constant(own, models.get(own, {}), models.get("constant", {}))
    lines = [f"T{standing[1:]}."] if standing else []
    verdict = (report.get("came_through") or {}).get("verdict")
    return [*lines, f"What came through: {verdict}."] if verdict else lines


def _kept(report: Mapping[str, Any]) -> list[str]:
    kept = report.get("kept") or {}
    if kept.get("student") == "control":
        return [f"student.safetensors is the control's; the distilled student is {kept['distilled']}."]
    return []


def _gain(report: Mapping[str, Any]) -> list[Table]:
    return [parts.gain_table(report["gain"])] if report.get("gain") else []


def _charts(run: RunFolder, models: Mapping[str, Mapping[str, Any]], own: str) -> list[Chart]:
    try:
        curves: Curves = read_curves(run.metrics_file)
    except DataError:
        return []
    train, val = curves.get("train", {}), curves.get("val", {})
    losses = {name: curve for name, curve in train.items() if not name.endswith(NOT_LOSSES)}
    charts = [line_chart("training loss", losses)] if losses else []
    for metric in CURVES:
        if metric in val:
            levels = {
                name: float(one[metric])
                for name, one in models.items()
                if name != own and "note" not in one and one.get(metric) is not None
            }
            charts.append(line_chart(f"val {parts.UNITS.get(metric, metric)}", {own: val[metric]}, levels))
    if "lr" in train:
        charts.append(line_chart("learning rate", {"lr": train["lr"]}))
    return charts


def _histogram(data: PageData) -> list[Chart]:
    errors = data.errors
    if not errors:
        return []
    title = parts.OF_EACH.format(errors["metric"])
    return [histogram_chart(title, errors["edges"], errors["counts"], errors["metric"])]


def _worst(data: PageData) -> list[Table]:
    return [parts.worst_table(data.worst)] if data.worst else []


def _sweep(report: Mapping[str, Any]) -> list[Table]:
    swept = report.get("sweep")
    if not swept:
        return []
    columns = ("output_weight", "feature_weight", "rmse", "abs_rel", "delta1", "difference")
    rows = [[row["setting"], *(parts.number(row.get(name)) for name in columns)] for row in swept["settings"]]
    note = f"{swept['steps']} steps each; {swept['chosen']} was taken; difference: rmse less the control's"
    return [Table(("", *columns), rows, note=note)]


def _cost(report: Mapping[str, Any]) -> list[Table]:
    return [parts.cost_table(report["cost"])] if report.get("cost") else []


def _facts(report: Mapping[str, Any]) -> dict[str, str]:
    """The training, and who taught."""
    facts = {}
    if report.get("seconds"):
        many = f", {report['processes']} processes" if report.get("processes", 1) > 1 else ""
        speed = f"{report['images_per_second']:.1f} images/s"
        facts["training"] = f"{parts.duration(report['seconds'])}, {report['steps']} steps, {speed}{many}"
        facts["best step"] = str(report["best_step"])
    if images := report.get("images"):
        without = f", {images['unlabelled']} without depth" if images.get("unlabelled") else ""
        facts["training images"] = f"{images.get('labelled', 0)} with depth{without}"
    teachers = report.get("teachers") or [one for one in (report.get("teacher"),) if one]
    for index, teacher in enumerate(teachers, start=1):
        revision = f", revision {teacher['revision']}" if teacher.get("revision") else ""
        licence = teacher.get("licence") or "not known"
        name = f"teacher {index}" if len(teachers) > 1 else "teacher"
        facts[name] = f"{teacher['id']} ({teacher.get('kind')}{revision}); licence: {licence}"
    if report.get("skipped_steps"):
        facts["skipped steps"] = f"{report['skipped_steps']}: a loss was not finite"
    if report.get("corrupt_files"):
        facts["unreadable files"] = ", ".join(map(str, report["corrupt_files"]))
    return facts


def _title(config: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    teacher = (report.get("teacher") or {}).get("id")
    if config.get("verb") == "acclimate":
        return f"{teacher or config.get('teacher')}, acclimated to {config.get('student')}"
    name, init = config.get("student"), report.get("init")
    start = f", fine-tuned from {init}" if init else ""
    return f"{name}, distilled from {teacher}{start}" if teacher else f"{name}{start or ', the control'}"


def _about(config: Mapping[str, Any], report: Mapping[str, Any]) -> list[str]:
    against = f"scored against {report['scored_against']}" if report.get("scored_against") else ""
    lines = [f"data: {config.get('data')}", "; ".join(filter(None, [_protocol(report), against]))]
    return [line for line in lines if line]


def _protocol(report: Mapping[str, Any]) -> str:
    return parts.protocol_words(report.get("protocol") or {})


def _command(config: Mapping[str, Any]) -> str:
    kind = KINDS.get(str(config.get("verb")))
    return command_of(kind, config) if kind else ""
