"""One run of acclimate: from its options to acclimated.safetensors and report.json."""

from __future__ import annotations

from typing import Any

from disdepth_cli.checkpoint.locate import ACCLIMATED
from disdepth_cli.config import AcclimateConfig
from disdepth_cli.machine.processes import from_main
from disdepth_cli.observer import Observer
from disdepth_cli.results.training import AcclimateReport
from disdepth_cli.training.acclimation.file import AcclimatedFile
from disdepth_cli.training.acclimation.networks import build_networks
from disdepth_cli.training.acclimation.open_teacher import teacher_and_data
from disdepth_cli.training.acclimation.report import acclimate_report, acclimation_page
from disdepth_cli.training.acclimation.scores import AcclimationScores
from disdepth_cli.training.acclimation.teacher_checks import check_teacher, tell_checks
from disdepth_cli.training.acclimation.training import AcclimationTraining
from disdepth_cli.training.constant import constant_metrics
from disdepth_cli.training.open_teacher_cache import open_teacher_cache
from disdepth_cli.training.session import open_session


def run_acclimation(config: AcclimateConfig, observer: Observer) -> AcclimateReport:
    """Acclimate a teacher to a student's decoder and write `acclimated.safetensors` into a run folder.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    teacher, data = teacher_and_data(config, observer)
    session = open_session(config, "acclimate", teacher.contract.id, data, observer)
    student, acclimated = build_networks(config, session, teacher)
    cache = open_teacher_cache(config.teacher.cache, config.loop, data, [acclimated.teacher], observer)
    scores = AcclimationScores(data, acclimated.teacher, session.device, config.machine.precision)
    file = AcclimatedFile(session.run.path / ACCLIMATED, config, student, data.protocol.as_json())
    before, constant = scores.of_teacher(), constant_metrics(scores.val)
    scores.page = acclimation_page(session, scores, before, constant)
    training = AcclimationTraining(config, session, acclimated, scores, file, cache)
    checks = from_main(lambda: _check(training, before))
    attention = None
    if acclimated.speaks_for_itself:
        after, ghost = before, training.depth_alone()
    else:
        ghost = training.train_ghost()
        after = training.best_teacher() if config.teacher.train != "frozen" else before
        attention = training.train_attention()
    return acclimate_report(training, constant, before, after, ghost, attention, checks)


def _check(training: AcclimationTraining, metrics: dict[str, float] | None) -> dict[str, Any]:
    """What the teacher says through views, and what it adds to the labels; told, and for the report.

    metrics: of the teacher itself on val.
    """
    teacher, session = training.acclimated.teacher, training.session
    metric = metrics is not None and teacher.contract.kind == "metric_depth"
    error = metrics["abs_rel"] if metrics is not None and metric else None
    found = check_teacher(teacher, training.scores.whole_images(), session.data, error)
    tell_checks(found, teacher, session.data, session.observer)
    return found.as_dict()
