"""List: names that other commands take, with what is known of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from disdepth_cli.config import STUDENTS, ListConfig
from disdepth_cli.config.parts import StudentOptions
from disdepth_cli.config.teacher_name import WELL_KNOWN, installed
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.results.result import Result

ENCODER = "timm:vit_small_patch14_dinov2"


@dataclass(frozen=True)
class Listing(Result):
    """Names, with what is known of each.

    Attributes:
        what: students, teachers, protocols or formats.
        input_size: working size HxW at which students are counted and timed.
        rows: one a name. students: `student`, `backbone`, `parameters`, `flops` (a multiply-add counts two), with
            latency `cpu_ms`, `wall_ms` and `threads`, of PyTorch on the CPU. teachers: `teacher`, `family`,
            `model_type`, `kind`. protocols: the fields of a protocol and its number of `images`. formats: `format`,
            `for` (data or export); of data its `layout`, of export `suffix`, `precisions` and `missing` packages.
    """

    what: str
    input_size: str
    rows: list[dict[str, Any]]


def list_names(config: ListConfig, observer: Observer = SILENT) -> Listing:
    """What `disdepth list` shows.

    Raises:
        StudentError: a student cannot be built here.
    """
    rows: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "students": lambda: _students(config),
        "teachers": _teachers,
        "protocols": _protocols,
        "formats": _formats,
    }
    height, width = config.input_size
    return Listing(config.what, f"{height}x{width}", rows[config.what]())


def _students(config: ListConfig) -> list[dict[str, Any]]:
    """Counted, and with `latency` timed in turns in PyTorch; weights are random, which changes neither."""
    from disdepth_cli.timing.cost import flops_of, model_costs
    from disdepth_cli.timing.student_costs import untrained

    wanted = {name: StudentOptions(backbone=name, input_size=config.input_size) for name in STUDENTS}
    models = {name: untrained(one).predictor("cpu", "fp32") for name, one in wanted.items()}
    rows: dict[str, dict[str, Any]] = {
        name: {"parameters": model.parameters, "flops": flops_of(model, *config.input_size)}
        for name, model in models.items()
    }
    if config.latency:
        for name, cost in model_costs(models, *config.input_size).items():
            rows[name] |= {"cpu_ms": cost.cpu_ms, "wall_ms": cost.latency_ms, "threads": cost.threads}
    return [{"student": name, "backbone": STUDENTS[name], **row} for name, row in rows.items()]


def _teachers() -> list[dict[str, Any]]:
    """Of the Hub one line an id; the other families have a pattern of names."""
    rows: list[dict[str, Any]] = [
        {"teacher": name, "family": "transformers", "model_type": model_type, "kind": kind}
        for name, (model_type, kind) in WELL_KNOWN.items()
    ]
    rows.append({"teacher": ENCODER, "family": "timm", "model_type": "any transformer encoder", "kind": "none"})
    rows += [{"teacher": name, "family": "yours", "model_type": "installed", "kind": None} for name in installed()]
    for name, what in (("FILE.py:FUNCTION", "your own network"), ("FOLDER", "Hub format, or depth maps in files")):
        rows.append({"teacher": name, "family": "yours", "model_type": what, "kind": None})
    return rows


def _protocols() -> list[dict[str, Any]]:
    from disdepth_cli.evaluation.protocols import PROTOCOLS

    rows: list[dict[str, Any]] = []
    for protocol in PROTOCOLS.values():
        span = {"min_depth": None, "max_depth": None} if protocol.range_is_the_datas else {}
        rows.append({"protocol": protocol.name, **protocol.as_json(), **span, "images": protocol.images})
    return [{key: value for key, value in row.items() if key != "name"} for row in rows]


def _formats() -> list[dict[str, Any]]:
    """Of data, which `format:` in a data.yaml names; of export, with the packages that are missing here."""
    from disdepth_cli.data.sets.catalogue import FORMATS as OF_DATA
    from disdepth_cli.exporting.format_table import FORMATS, missing_tools

    data = [{"format": name, "for": "data", "layout": known.layout} for name, known in OF_DATA.items()]
    export = [
        {
            "format": name,
            "for": "export",
            "suffix": known.suffix,
            "precisions": list(known.precisions),
            "missing": missing_tools(name),
        }
        for name, known in FORMATS.items()
    ]
    return [*export, *data]
