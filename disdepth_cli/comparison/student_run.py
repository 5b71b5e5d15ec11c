"""A run of distill with what it is compared with: the sweep that chooses its loss weights, and its control."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from disdepth_cli.comparison.arm import check_comparable, finished_run, train_alone
from disdepth_cli.comparison.control import check_control_path, compare_with_control
from disdepth_cli.comparison.kept_student import take_back
from disdepth_cli.comparison.sweep import sweep, tell_choice, with_chosen
from disdepth_cli.config import DistillConfig
from disdepth_cli.machine.processes import from_main
from disdepth_cli.observer import Observer, Unrepeated
from disdepth_cli.results.training import DistillReport
from disdepth_cli.timing.budget import check_budget
from disdepth_cli.training.distillation.acclimated_first import acclimated_first, resolve_teachers
from disdepth_cli.training.distillation.run import run_distillation
from disdepth_cli.training.distillation.transfer_errors import doubt_teacher, with_control
from disdepth_cli.training.prepare import prepare_data
from disdepth_cli.training.report import rewrite
from disdepth_cli.training.session import Session, open_session


def train_student(config: DistillConfig, observer: Observer) -> DistillReport:
    """Train what a configuration asks for, and leave the student that it keeps in the run folder.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    budget = config.run.budget
    if budget is not None:
        own = from_main(lambda: check_budget(config.student, budget))
        observer.on_note(f"within the budget of {budget:g} ms: {own}")
    data = prepare_data(config, observer)
    check_comparable(config, data)
    if not (config.compare.control or config.compare.sweep):
        alone = train_alone(config, data, observer)
        if config.method.distill:  # a finished run may have had a control before
            from_main(lambda: take_back(Path(alone.run)))
        doubt_teacher(alone, observer)
        return alone
    observer = Unrepeated(observer)
    config = resolve_teachers(config, observer)
    session = open_session(config, "distill", config.student.backbone, data, observer)
    run = session.run
    if config.compare.control:
        check_control_path(config, run.path)
    report = from_main(lambda: finished_run(run.path))
    if report is None:
        report = _train_chosen(config, session)
    if not config.compare.control:
        from_main(lambda: take_back(run.path))
        doubt_teacher(report, observer)
        return rewrite(run, replace(report, control=None, gain=None, kept=None))
    compared = compare_with_control(config, data, run, observer)
    known = with_control(report.came_through, compared["control"])
    return rewrite(run, replace(report, **compared, came_through=known))


def _train_chosen(config: DistillConfig, session: Session) -> DistillReport:
    """The run itself, after the sweep that chooses its loss weights where one was asked for."""
    if not config.compare.sweep:
        return run_distillation(config, session)
    run, observer = session.run, session.observer
    swept = sweep(config, session.data, run, lambda: acclimated_first(config, run.path, observer), observer)
    tell_choice(swept, observer)
    return run_distillation(with_chosen(config, swept), session, swept)
