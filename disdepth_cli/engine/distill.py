"""Distill: train a student with its teacher, beside what it is compared with."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from disdepth_cli.comparison.arm import check_keep, finished_run
from disdepth_cli.comparison.kept_student import is_settled
from disdepth_cli.comparison.plan import plan_distill, push_target
from disdepth_cli.comparison.student_run import train_student
from disdepth_cli.config import DistillConfig
from disdepth_cli.engine.push import push_finished
from disdepth_cli.machine.join import joined_processes
from disdepth_cli.machine.processes import from_main, is_main
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.results.training import DistillPlan, DistillReport
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.training.batch_size import settle_batch_size
from disdepth_cli.training.distillation.inherited import as_begun, settle_student
from disdepth_cli.training.distillation.trial import distillation_trial


def distill(config: DistillConfig, observer: Observer = SILENT) -> DistillReport | DistillPlan:
    """Train a student and write `student.safetensors` into a run folder.

    With `dry_run` nothing is trained: the result is what would be done. A finished run that is resumed with
    `push_to_hub` is only pushed.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    check_keep(config.compare)
    if config.run.dry_run:
        config = settle_student(config, observer)
        return DistillPlan(plan_distill(settle_batch_size(config, observer, distillation_trial), observer))
    compare = config.compare
    with joined_processes(config.machine, config.loop, observer) as observer:
        if config.hub.push_to_hub is not None:
            from_main(partial(push_target(config.hub).check, config.machine.offline))  # now, not after hours
        config = as_begun(config) if config.run.resume else settle_student(config, observer)
        config = settle_batch_size(config, observer, distillation_trial)
        report = _finished(config)
        if report is None or not is_settled(Path(report.run), report, compare.control, compare.keep):
            config = settle_student(config, observer) if config.run.resume else config
            report = train_student(config, observer)
        if config.hub.push_to_hub is not None and is_main():  # nobody waits for an upload
            sent = push_finished(config.hub, Path(report.run), observer)
            report = replace(report, push=sent.as_dict())
        return report


def _finished(config: DistillConfig) -> DistillReport | None:
    """The report of the run to be resumed, where that run is finished and is only to be pushed; else None.

    Raises:
        ConfigError: the run was started with other options.
    """
    path = config.run.output
    if config.hub.push_to_hub is None or not config.run.resume or path is None:
        return None
    report = finished_run(path)
    if report is None or RunFolder(path).check_same(config, "distill"):  # it is to be made longer
        return None
    RunFolder.open(config, "distill", config.student.backbone)
    return report
