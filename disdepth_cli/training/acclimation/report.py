"""What a run of acclimate reports."""

from __future__ import annotations

from typing import Any

from disdepth_cli.method.acclimated_teacher import teacher_record
from disdepth_cli.results.training import AcclimateReport
from disdepth_cli.training.acclimation.scores import AcclimationScores
from disdepth_cli.training.acclimation.teacher_checks import FACTOR
from disdepth_cli.training.acclimation.training import AcclimationTraining
from disdepth_cli.training.live_page import RunPage
from disdepth_cli.training.loop.task import LoopResult
from disdepth_cli.training.open_teacher_cache import replay_report
from disdepth_cli.training.report import finish, fit_report
from disdepth_cli.training.session import Session

SAYS_NOTHING = 0.8  # of a constant depth's RMSE: a ghost decoder that is no better is of little use
ENOUGH = 500  # steps of a ghost decoder before its features are judged


def acclimation_page(
    session: Session, scores: AcclimationScores, teacher: dict[str, float] | None, constant: dict[str, float] | None
) -> RunPage:
    """The page of the run, with what the teacher makes of its images. teacher, constant: their metrics."""
    contract, data = scores.teacher.contract, session.data
    known = {
        "teacher": {
            "id": contract.id,
            "kind": contract.kind,
            "revision": contract.revision,
            "licence": contract.licence,
        },
        "protocol": data.protocol.as_json(),
        "teacher_protocol": scores.teacher_protocol().as_json(),
        "scored_against": scores.val.scored_against,
        "teacher_metrics": teacher,
        "constant_metrics": constant,
    }
    page = RunPage(session.run, data, "ghost", known, scores.val.better, session.observer)
    page.look("teacher", scores.whole_images())
    return page


def acclimate_report(
    training: AcclimationTraining,
    constant: dict[str, float] | None,
    before: dict[str, float] | None,
    after: dict[str, float] | None,
    ghost: LoopResult,
    attention: LoopResult | None,
    checks: dict[str, Any],
) -> AcclimateReport:
    """Write a run's report.json. constant: metrics of one depth everywhere; before, after: of the teacher itself."""
    config, session, scores, data = training.config, training.session, training.scores, training.session.data
    comparable = after is not None and scores.teacher_protocol() == data.protocol
    doubt = doubt_of(ghost, constant, after if comparable else None, checks.get("whole_to_labels"))
    if doubt is not None:
        session.observer.on_warning(doubt)
    report = AcclimateReport(
        run=str(session.run.path),
        teacher=teacher_record(training.acclimated.teacher, config.teacher.train).model_dump(mode="json"),
        output_kind=data.output_kind,
        protocol=data.protocol.as_json(),
        scored_against=scores.val.scored_against,
        teacher_protocol=scores.teacher_protocol().as_json(),
        teacher_metrics=before,
        teacher_metrics_after=after if config.teacher.train != "frozen" else None,
        ghost_metrics=ghost.best,
        constant_metrics=constant,
        rmse_ratio_ghost_to_teacher=ghost.best["rmse"] / after["rmse"] if after is not None and comparable else None,
        teacher_checks=checks,
        **fit_report(ghost),
        attention=fit_report(attention) if attention else None,
        teacher_cache=replay_report(training.cache, session.observer),
    )
    return finish(session.run, report, session.observer)


def doubt_of(
    ghost: LoopResult, constant: dict[str, float] | None, own: dict[str, float] | None, scale: float | None
) -> str | None:
    """Why a ghost decoder is hardly better than a constant depth, as far as it is known; None where it is better.

    own: the teacher's own metrics under the same protocol. scale: its depth of whole images over the labels.
    """
    if constant is None or not ghost.best or ghost.best["rmse"] < SAYS_NOTHING * constant["rmse"]:
        return None
    figures = (
        f"through the ghost decoder this teacher's RMSE is {ghost.best['rmse']:.3f}, that of one constant depth "
        f"{constant['rmse']:.3f}"
    )
    if scale is not None and not 1 / FACTOR < scale < FACTOR:
        return f"{figures}: its depth is {scale:.3g} times the labels, so not its features but the scale is wrong"
    if own is not None and own["rmse"] < SAYS_NOTHING * constant["rmse"]:
        return f"{figures}, its own {own['rmse']:.3f}: the ghost decoder needs more steps (--epochs)"
    if ghost.steps < ENOUGH:
        return f"{figures}, after {ghost.steps} steps: too few to judge the teacher by; give it more (--epochs)"
    return f"{figures}: its features tell little about depth here; take another, or train it (--train-teacher)"
