"""What acclimate and distill give back: reports of runs, and plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from typing_extensions import Self

from disdepth_cli.results.result import IF_ANY, SPREAD, Result

SAYS_LITTLE = 0.9  # of a constant depth's RMSE


def beside_constant(model: str, metrics: Mapping[str, Any], constant: Mapping[str, Any]) -> str | None:
    """A model's RMSE as a share of a constant depth's, in words; None where one of them is not known."""
    if not metrics.get("rmse") or not constant.get("rmse"):
        return None
    share = metrics["rmse"] / constant["rmse"]
    useless = ": it tells little more than one depth for every pixel" if share > SAYS_LITTLE else ""
    return f"the {model}'s rmse is {100 * share:.0f} % of a constant depth's{useless}"


@dataclass(frozen=True, kw_only=True)
class RunReport(Result):
    """What became of a training; the same stands in the run's report.json.

    Attributes:
        run: the run folder.
        teacher: the teacher's id, revision, licence and kind; None without one.
        output_kind: what the student's numbers are, as `Depth.kind`.
        protocol: what the val images were scored under.
        scored_against: in words: ground truth, or the teacher.
        ghost_metrics: of the teacher through the ghost decoder; None without one.
        processes: how many trained.
        steps: optimiser steps.
        seconds: how long they took.
        images_per_second: how fast they were.
        best_step: the step that is kept.
        best: the val metrics there.
        final: the val metrics at the last step.
        corrupt_files: training files that could not be read.
        skipped_steps: steps that were left out because a loss was not finite.
        teacher_cache: what was stored and replayed; None without a cache.
        more: what else the report holds, such as one that another version wrote.
    """

    run: str
    teacher: dict[str, Any] | None = None
    output_kind: str
    protocol: dict[str, Any]
    scored_against: str
    ghost_metrics: dict[str, float] | None = None
    processes: int = 1
    steps: int
    seconds: float
    images_per_second: float
    best_step: int
    best: dict[str, float]
    final: dict[str, float]
    corrupt_files: list[str]
    skipped_steps: int
    teacher_cache: dict[str, Any] | None = None
    more: dict[str, Any] = field(default_factory=dict, metadata=SPREAD)

    @classmethod
    def of(cls, report: dict[str, Any]) -> Self:
        """The report with its run's folder, as the engine holds it."""
        names = {one.name for one in fields(cls)}
        known = {name: value for name, value in report.items() if name in names}
        return cls(**known, more={name: value for name, value in report.items() if name not in names})


@dataclass(frozen=True, kw_only=True)
class AcclimateReport(RunReport):
    """What became of an acclimation.

    Attributes:
        teacher_protocol: what the teacher itself was scored under; a relative one is aligned.
        teacher_metrics: of the teacher itself; None where it cannot be scored.
        teacher_metrics_after: the same after it was trained along; None where it was not.
        constant_metrics: of one depth everywhere; None where it cannot be scored.
        rmse_ratio_ghost_to_teacher: RMSE through the ghost decoder / the teacher's own.
        attention: what became of the training of the attention tokens; None without one.
        teacher_checks: what the teacher says through views and beside labels, see `TeacherChecks`; empty in older runs.
    """

    teacher_protocol: dict[str, Any]
    teacher_metrics: dict[str, float] | None
    teacher_metrics_after: dict[str, float] | None
    constant_metrics: dict[str, float] | None
    rmse_ratio_ghost_to_teacher: float | None
    attention: dict[str, Any] | None
    teacher_checks: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DistillReport(RunReport):
    """What became of a student.

    Attributes:
        distilled: False for a control, which has no teacher.
        teachers: all teachers, the first one first.
        images: number of `labelled` and `unlabelled` training images.
        baselines: `constant`, `teacher` and `ghost` to their metrics on the val images, with a `note` where they were
            aligned; empty without ground truth.
        cost: `student` and `teacher` to parameters, FLOPs and latency.
        came_through: errors of teacher, ghost, student and control on training images and on val; None without labels.
        init: the student that it started from, by the name of its file or run; None without one.
        sweep: the loss weights that were tried; None without a sweep.
        control: the control's run and metrics; None without one.
        gain: metric to what distillation has over the control; None without one.
        kept: which of the two is the run's student; None without a control.
        push: what was sent to the Hub; None where nothing was.
    """

    distilled: bool
    teachers: list[dict[str, Any]] = field(default_factory=list)
    images: dict[str, int]
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    cost: dict[str, dict[str, Any]]
    came_through: dict[str, Any] | None = None
    init: str | None = field(default=None, metadata=IF_ANY)
    sweep: dict[str, Any] | None = field(default=None, metadata=IF_ANY)
    control: dict[str, Any] | None = field(default=None, metadata=IF_ANY)
    gain: dict[str, dict[str, Any]] | None = field(default=None, metadata=IF_ANY)
    kept: dict[str, Any] | None = field(default=None, metadata=IF_ANY)
    push: dict[str, Any] | None = field(default=None, metadata=IF_ANY)

    @staticmethod
    def judged(report: Mapping[str, Any]) -> str:
        """What its student is called beside others. report: as `as_dict` gives it."""
        return "student" if report.get("distilled", True) or report.get("init") else "control"


@dataclass(frozen=True)
class DistillPlan(Result):
    """What a run of distill would do.

    Attributes:
        plan: data, teacher, student, steps and the rest, by name.
    """

    plan: dict[str, Any]


@dataclass(frozen=True)
class AcclimatePlan(Result):
    """What a teacher is, before it is acclimated.

    Attributes:
        teacher: kind, unit, range, sizes, licence and the rest of its contract, by name, in words.
    """

    teacher: dict[str, str]
