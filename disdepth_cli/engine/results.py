"""What the verbs give back, as typed fields; `as_dict` gives what `--json` prints."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from typing_extensions import Self

from disdepth_cli.result import IF_ANY, SPREAD, Result


@dataclass(frozen=True)
class CheckResult(Result):
    """What is known of a data set.

    Attributes:
        data: the place that was given.
        name: what the data is called.
        format: the published layout it was read as; None of others.
        ok: whether there is no error.
        protocol: the one that it asks to be evaluated by.
        splits: split to counts of pairs, missing and unreadable files, sizes and types.
        depth: range, quantiles and histogram of the depth [m]; None where no image has any.
        scale: the scale it is read with, and what known scales would give.
        duplicates: images that are in both splits, or more than once in one.
        skipped: images that were left out, with the reason.
        problems: every offending file, with its split and what is wrong.
        errors: a line for each thing that must be mended.
        warnings: a line for each thing that should be looked at.
        picture: the file of the depth histogram; None where none was drawn.
        seconds: how long it took.
    """

    data: str
    name: str
    format: str | None
    ok: bool
    protocol: str | None
    splits: dict[str, dict[str, Any]]
    depth: dict[str, Any] | None
    scale: dict[str, Any]
    duplicates: dict[str, Any]
    skipped: list[dict[str, Any]]
    problems: list[dict[str, Any]]
    errors: list[str]
    warnings: list[str]
    picture: str | None
    seconds: float


@dataclass(frozen=True)
class PackResult(Result):
    """What was packed.

    Attributes:
        output: the folder of the shards.
        index: the file that names them all; it may be given as DATA.
        train: number of `images`, of those with depth (`labelled`), of `shards`, and their `bytes`.
        val: the same of the val images.
        depth: `format` (png or npy) and `scale`: metres = stored / scale.
        skipped: a line for each image that could not be packed.
        seconds: how long it took.
        images_per_second: how fast it was.
    """

    output: str
    index: str
    train: dict[str, int]
    val: dict[str, int]
    depth: dict[str, Any]
    skipped: list[str]
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class PushResult(Result):
    """What was sent, or would be.

    Attributes:
        to: the repository, OWNER/NAME.
        revision: the branch; None is the main one.
        licence: the licence that the card states.
        warnings: what to mind about licences, a line each.
        files: `name` and `bytes` of each file.
        sent: False for a dry run.
        url: the repository's page; None for a dry run.
        commit: the commit's hash; None for a dry run.
        folder: where a dry run wrote the files; None where they were sent.
    """

    to: str
    revision: str | None
    licence: str
    warnings: list[str]
    files: list[dict[str, Any]]
    sent: bool
    folder: str | None = field(default=None, metadata=IF_ANY)
    url: str | None = field(default=None, metadata=IF_ANY)
    commit: str | None = field(default=None, metadata=IF_ANY)


@dataclass(frozen=True)
class EvaluateResult(Result):
    """How good a model is. Metrics are means over images; those with [m] are in metres.

    Attributes:
        model: the model that was scored.
        data: the place of the data.
        split: `train` or `val`.
        protocol: crop, range, alignment and the rest of what the figures were made under.
        precision: of the forward passes.
        device: where they ran.
        images: how many were scored.
        abs_rel: mean |g - p| / g, with ground truth g and prediction p.
        sq_rel: mean (g - p)^2 / g [m].
        rmse: root mean square error [m].
        rmse_log: the same of ln p - ln g.
        log10: mean |log10 g - log10 p|.
        silog: 100 times the standard deviation of ln p - ln g.
        delta1: share of pixels with max(g / p, p / g) < 1.25.
        delta2: the same, < 1.25^2.
        delta3: the same, < 1.25^3.
        details: scores near, in the middle and far, of pixel pairs and of edges; None where no image has one.
        intervals: metric to [low, high], 95 %, by a bootstrap over images.
        images_with: detail to the number of images that have it.
        buckets: the two distances [m] between near, middle and far.
        parameters: of the model.
        baselines: `constant`, `mean_map` and `teacher` to their scores and the `difference`, the interval of model -
            baseline, image by image; or to `unavailable`, which says why.
        worst: the pictures of the worst images; None where none were asked for.
        errors: a line for each image that could not be scored.
        warnings: what makes the figures doubtful.
        seconds: where the time went.
    """

    model: str
    data: str
    split: str
    protocol: dict[str, Any]
    precision: str
    device: str
    images: int
    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    log10: float
    silog: float
    delta1: float
    delta2: float
    delta3: float
    details: dict[str, float | None] = field(metadata=SPREAD)
    intervals: dict[str, list[float | None]]
    images_with: dict[str, int]
    buckets: list[float]
    parameters: int
    baselines: dict[str, dict[str, Any]]
    worst: list[dict[str, Any]] | None = field(metadata=IF_ANY)
    errors: list[str]
    warnings: list[str]
    seconds: dict[str, float]


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
    """

    teacher_protocol: dict[str, Any]
    teacher_metrics: dict[str, float] | None
    teacher_metrics_after: dict[str, float] | None
    constant_metrics: dict[str, float] | None
    rmse_ratio_ghost_to_teacher: float | None
    attention: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class DistillReport(RunReport):
    """What became of a student.

    Attributes:
        distilled: False for a control, which has no teacher.
        teachers: all teachers, the first one first.
        images: number of `labelled` and `unlabelled` training images.
        cost: `student` and `teacher` to parameters, FLOPs and latency.
        sweep: the loss weights that were tried; None without a sweep.
        control: the control's run and metrics; None without one.
        gain: metric to what distillation has over the control; None without one.
        kept: which of the two is handed out; None without a control.
        push: what was sent to the Hub; None where nothing was.
    """

    distilled: bool
    teachers: list[dict[str, Any]] = field(default_factory=list)
    images: dict[str, int]
    cost: dict[str, dict[str, Any]]
    sweep: dict[str, Any] | None = field(default=None, metadata=IF_ANY)
    control: dict[str, Any] | None = field(default=None, metadata=IF_ANY)
    gain: dict[str, dict[str, Any]] | None = field(default=None, metadata=IF_ANY)
    kept: dict[str, Any] | None = field(default=None, metadata=IF_ANY)
    push: dict[str, Any] | None = field(default=None, metadata=IF_ANY)


@dataclass(frozen=True)
class DistillPlan(Result):
    """What a run of distill would do.

    Attributes:
        plan: data, teacher, student, steps and the rest, by name.
    """

    plan: dict[str, Any]


@dataclass(frozen=True)
class TeacherDescription(Result):
    """What a teacher is, before it is acclimated.

    Attributes:
        teacher: kind, unit, range, sizes, licence and the rest of its contract, by name, in words.
    """

    teacher: dict[str, str]
