"""What a student is worth beside: a constant depth, its teacher, and the teacher through the ghost decoder."""

from __future__ import annotations

from typing import Any

from disdepth_cli.data.sets.entries import entries_of
from disdepth_cli.errors import ConfigError
from disdepth_cli.evaluation.protocols import aligned_where_relative
from disdepth_cli.machine.processes import from_main
from disdepth_cli.reading import read_json
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.scoring.baselines import ALIGNED
from disdepth_cli.training.constant import constant_metrics
from disdepth_cli.training.distillation.teachers import FoundTeachers
from disdepth_cli.training.validation import Validation


def baselines_of(teachers: FoundTeachers, val: Validation) -> dict[str, dict[str, Any]]:
    """`constant`, `teacher` and `ghost` to their metrics on the val images of a run, those of the first teacher.

    They are read from the acclimation where its val images, their depth and protocol are the run's, else scored. A
    teacher without metres is aligned, and has a `note`. Empty where no val image has ground truth.
    """
    if val.truth is not None or not val.data.source.labelled("val"):
        return {}
    found = from_main(lambda: _measured_before(teachers, val))
    if "constant" not in found and (constant := constant_metrics(val)):
        found["constant"] = dict(constant)
    for first in teachers.acclimated[:1]:
        kind = first.teacher.contract.kind
        if "ghost" not in found:
            found["ghost"] = dict(val.metrics(val.predictor(first)))
        if kind == "none":
            continue
        protocol = aligned_where_relative(val.data.protocol, kind)
        if "teacher" not in found:
            found["teacher"] = dict(val.metrics(val.own_depth(first), protocol))
        if protocol.align != val.data.protocol.align:
            found["teacher"]["note"] = ALIGNED
    return {name: found[name] for name in ("constant", "teacher", "ghost") if name in found}


def _measured_before(teachers: FoundTeachers, val: Validation) -> dict[str, dict[str, Any]]:
    """What the acclimation of the first teacher has measured on the same val images; else empty."""
    if teachers.run is None:
        return {}
    report, folder = RunContents(teachers.run).report(), RunFolder(teachers.run)
    if report.get("protocol") != val.data.protocol.as_json() or not folder.entries_file.is_file():
        return {}
    before, now = read_json(folder.entries_file, ConfigError), entries_of(val.data.source)
    if any(before.get(name) != now[name] for name in ("val", "depth")):
        return {}
    own = report.get("teacher_metrics_after") or report.get("teacher_metrics")
    known = {"teacher": own, "ghost": report.get("ghost_metrics")}
    if before.get("train") == now["train"]:  # which the constant is chosen on
        known["constant"] = report.get("constant_metrics")
    return {name: dict(metrics) for name, metrics in known.items() if metrics}
