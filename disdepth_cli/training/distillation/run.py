"""One run of distill: a student with its teachers, or a control, from its options to student.safetensors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from disdepth_cli.config import DistillConfig
from disdepth_cli.machine.processes import from_main
from disdepth_cli.models.folding import without_norms
from disdepth_cli.models.student import load_student
from disdepth_cli.results.training import DistillReport
from disdepth_cli.timing.cost import model_costs
from disdepth_cli.training.distillation.came_through import measured
from disdepth_cli.training.distillation.start_student import start_student
from disdepth_cli.training.distillation.teachers import FoundTeachers, as_they_can_teach, find_teachers
from disdepth_cli.training.distillation.training import DistillationTraining
from disdepth_cli.training.loop.task import LoopResult
from disdepth_cli.training.report import finish, fit_report
from disdepth_cli.training.session import Session
from disdepth_cli.training.teacher_cache import open_teacher_cache, replay_report
from disdepth_cli.training.validation import Validation


def run_distillation(config: DistillConfig, session: Session, sweep: dict[str, Any] | None = None) -> DistillReport:
    """Train the student of a configuration and write report.json.

    sweep: how the loss weights were chosen, for the report.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    teachers = find_teachers(config, session.data, session.run.path, session.device, session.observer)
    session = replace(session, data=teachers.data)
    config = as_they_can_teach(config, teachers, session.observer)
    cache = open_teacher_cache(config, session.data, [one.teacher for one in teachers.acclimated], session.observer)
    student, start, init = start_student(config, session, teachers, cache)
    val = _validation(config, session, teachers)
    training = DistillationTraining(config, session, student, start, teachers, val, cache, init)
    return finish(session.run, _report(training, training.train(), sweep), session.observer)


def _validation(config: DistillConfig, session: Session, teachers: FoundTeachers) -> Validation:
    """Against ground truth; where no val image has any, against the first teacher, through its ghost where it must."""
    val = Validation(session.data, session.device, config.machine.precision)
    if teachers.acclimated and not session.data.source.labelled("val"):
        first = teachers.acclimated[0]
        stand_in = val.own_depth(first) if first.is_of_students_kind else val.predictor(first)
        val.score_against(stand_in, "the acclimated teacher's")
    return val


def _report(training: DistillationTraining, result: LoopResult, sweep: dict[str, Any] | None) -> DistillReport:
    data, session, teachers = training.session.data, training.session, training.teachers
    records = [record.model_dump(mode="json") for record in teachers.records]
    labelled, without = data.source.counts()
    return DistillReport(
        run=str(session.run.path),
        distilled=bool(teachers.acclimated),
        teacher=records[0] if records else None,
        teachers=records,
        ghost_metrics=teachers.metadata[0].metrics if teachers.metadata else None,
        output_kind=data.output_kind,
        images={"labelled": labelled, "unlabelled": without if teachers.acclimated else 0},
        protocol=data.protocol.as_json(),
        scored_against=training.val.scored_against,
        **fit_report(result),
        cost=from_main(lambda: _costs(training)),
        came_through=from_main(lambda: _came_through(training, result)),
        sweep=sweep,
        teacher_cache=replay_report(training.cache, session.observer),
    )


def _came_through(training: DistillationTraining, result: LoopResult) -> dict[str, Any] | None:
    """Errors of student, ghost and teacher on training images and on val; None without teacher or labels."""
    teachers, session, val = training.teachers, training.session, training.val
    if not teachers.acclimated or val.truth is not None:
        return None
    first = teachers.acclimated[0]
    seen = {"student": val.predictor(load_student(session.run.path)), "ghost": val.predictor(first)}
    if first.teacher.contract.kind != "none":
        seen["teacher"] = val.own_depth(first)
    known = {"student": result.best, "ghost": teachers.metadata[0].metrics, "teacher": teachers.own_metrics}
    return measured(seen, known, session.data, session.observer)


def _costs(training: DistillationTraining) -> dict[str, dict[str, Any]]:
    """Parameters, FLOPs and latency of the shipped student, and of the teacher beside it."""
    height, width = training.config.student.input_size
    acclimated, student = training.teachers.acclimated, load_student(training.session.run.path)
    parameters = sum(parameter.numel() for parameter in student.parameters())
    models = {"student": replace(training.val.predictor(without_norms(student)), parameters=parameters)}
    if acclimated and acclimated[0].teacher.contract.sees != "stored":
        models["teacher"] = training.val.own_depth(acclimated[0])
    return {name: cost.as_dict() for name, cost in model_costs(models, height, width).items()}
