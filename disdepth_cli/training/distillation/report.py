"""What a run of distill reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from disdepth_cli.checkpoint.locate import STUDENT
from disdepth_cli.machine.processes import from_main
from disdepth_cli.models.folding import without_norms
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.results.training import DistillReport
from disdepth_cli.timing.cost import model_costs
from disdepth_cli.training.distillation.seen import add_seen_images
from disdepth_cli.training.distillation.training import DistillationTraining
from disdepth_cli.training.distillation.transfer_errors import measured
from disdepth_cli.training.loop.task import LoopResult
from disdepth_cli.training.open_teacher_cache import replay_report
from disdepth_cli.training.report import finish, fit_report


def distill_report(training: DistillationTraining, result: LoopResult, sweep: dict[str, Any] | None) -> DistillReport:
    """Write a run's report.json, once its student's file is complete. sweep: how the loss weights were chosen."""
    data, session, teachers = training.session.data, training.session, training.teachers
    records = [record.model_dump(mode="json") for record in teachers.records]
    labelled, without = data.source.counts()
    report = DistillReport(
        run=str(session.run.path),
        distilled=bool(teachers.acclimated),
        teacher=records[0] if records else None,
        teachers=records,
        ghost_metrics=training.baselines.get("ghost") or (teachers.metadata[0].metrics if teachers.metadata else None),
        output_kind=data.output_kind,
        images={"labelled": labelled, "unlabelled": without if teachers.acclimated else 0},
        protocol=data.protocol.as_json(),
        scored_against=training.val.scored_against,
        **fit_report(result),
        baselines=training.baselines,
        **from_main(lambda: _of_student(training, result)),
        init=None if training.init is None else Path(str(training.config.student.init)).name,
        sweep=sweep,
        teacher_cache=replay_report(training.cache, session.observer),
    )
    return finish(session.run, report, session.observer)


def _of_student(training: DistillationTraining, result: LoopResult) -> dict[str, Any]:
    """What the report says of the student in the file, which is completed first."""
    student = add_seen_images(training.session.run.path / STUDENT, training.session.data)
    return {"cost": _costs(training, student), "came_through": _came_through(training, result, student)}


def _came_through(training: DistillationTraining, result: LoopResult, student: DepthStudent) -> dict[str, Any] | None:
    """Errors of student, ghost and teacher on training images and on val; None without teacher or labels."""
    teachers, session, val = training.teachers, training.session, training.val
    if not teachers.acclimated or val.truth is not None:
        return None
    first = teachers.acclimated[0]
    seen = {"student": val.predictor(student), "ghost": val.predictor(first)}
    if first.teacher.contract.kind != "none":
        seen["teacher"] = val.own_depth(first)
    alike = {name: metrics for name, metrics in training.baselines.items() if "note" not in metrics}
    known = {"student": result.best, **alike}
    return measured(seen, known, session.data, session.observer)


def _costs(training: DistillationTraining, student: DepthStudent) -> dict[str, dict[str, Any]]:
    """Parameters, FLOPs and latency of the shipped student, and of the teacher beside it."""
    height, width = training.config.student.input_size
    acclimated = training.teachers.acclimated
    parameters = sum(parameter.numel() for parameter in student.parameters())
    models = {"student": replace(training.val.predictor(without_norms(student)), parameters=parameters)}
    if acclimated and acclimated[0].teacher.contract.sees != "stored":
        models["teacher"] = training.val.own_depth(acclimated[0])
    return {name: cost.as_dict() for name, cost in model_costs(models, height, width).items()}
