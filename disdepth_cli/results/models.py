"""What the verbs that take a finished model give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from disdepth_cli.results.result import IF_ANY, SPREAD, Result


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
        report: the page; None without a folder for it.
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
    report: str | None = field(default=None, metadata=IF_ANY)


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
class ConvertedTeacher(Result):
    """A teacher in Hub format.

    Attributes:
        teacher: its folder, which may be given as --teacher.
        like: the model in transformers whose network it has.
        weights: how many tensors were renamed.
        key_map: original name to names in transformers.
        grouped: the same for people, numbered blocks in one line.
        contract: what the teacher is: kind, sizes, taps, licence.
    """

    teacher: str
    like: str
    weights: int
    key_map: dict[str, list[str]]
    grouped: dict[str, str]
    contract: dict[str, str]
