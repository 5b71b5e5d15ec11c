"""One run of distill: a student with its teachers, or a control, from its options to student.safetensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from disdepth_cli.config import DistillConfig
from disdepth_cli.results.training import DistillReport
from disdepth_cli.training.distillation.baselines import baselines_of
from disdepth_cli.training.distillation.report import distill_report
from disdepth_cli.training.distillation.start_student import start_student
from disdepth_cli.training.distillation.teachers import FoundTeachers, as_they_can_teach, find_teachers
from disdepth_cli.training.distillation.training import DistillationTraining
from disdepth_cli.training.live_page import RunPage
from disdepth_cli.training.open_teacher_cache import open_teacher_cache
from disdepth_cli.training.session import Session
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
    networks = [one.teacher for one in teachers.acclimated]
    cache = open_teacher_cache(config.teacher.cache, config.loop, session.data, networks, session.observer)
    student, start, init = start_student(config, session, teachers, cache)
    val = _validation(config, session, teachers)
    baselines = baselines_of(teachers, val)
    page = _page(session, teachers, val, baselines, config.student.init)
    training = DistillationTraining(config, session, student, start, teachers, val, cache, baselines, page, init)
    return distill_report(training, training.train(), sweep)


def _page(
    session: Session, teachers: FoundTeachers, val: Validation, baselines: dict[str, dict[str, Any]], init: str | None
) -> RunPage:
    """The page of the run, with what the first teacher makes of its images."""
    records = [record.model_dump(mode="json") for record in teachers.records]
    known = {
        "distilled": bool(teachers.acclimated),
        "teacher": records[0] if records else None,
        "teachers": records,
        "protocol": session.data.protocol.as_json(),
        "scored_against": val.scored_against,
        "baselines": baselines,
        "init": init and Path(init).name,
    }
    page = RunPage(session.run, session.data, DistillReport.judged(known), known, val.better, session.observer)
    for first in teachers.acclimated[:1]:
        page.look("ghost", val.predictor(first))
        if first.teacher.contract.kind != "none":
            page.look("teacher", val.own_depth(first))
    return page


def _validation(config: DistillConfig, session: Session, teachers: FoundTeachers) -> Validation:
    """Against ground truth; where no val image has any, against the first teacher, through its ghost where it must."""
    val = Validation(session.data, session.device, config.machine.precision)
    if teachers.acclimated and not session.data.source.labelled("val"):
        first = teachers.acclimated[0]
        stand_in = val.own_depth(first) if first.is_of_students_kind else val.predictor(first)
        val.score_against(stand_in, "the acclimated teacher's")
    return val
