"""The rows beside a model's scores: what it has to beat, and what it has over each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from disdepth_cli.config import EvaluateConfig
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.errors import DisdepthError
from disdepth_cli.evaluation.protocols import Protocol, for_output
from disdepth_cli.machine.resources import worker_count
from disdepth_cli.observer import Observer
from disdepth_cli.predictor import Predictor
from disdepth_cli.scoring.baselines import Baseline, constant_and_mean_map, teacher_baseline, unavailable
from disdepth_cli.scoring.score import Scores
from disdepth_cli.scoring.summary import differences, summary
from disdepth_cli.scoring.teacher_of import teacher_of


def baselines_beside(
    config: EvaluateConfig,
    source: DataSource,
    items: Sequence[DataItem],
    protocol: Protocol,
    predictor: Predictor,
    scores: Scores,
    observer: Observer,
    lap: Callable[[str], None],
    on_teacher: Callable[[Predictor], object],
) -> dict[str, dict[str, Any]]:
    """Baseline to its entry in the result. protocol: the data's, not yet made to fit a kind of output.

    items: those that were scored. lap: is told what the time since its last call was for. on_teacher: is given
    the teacher, where there is one.
    """
    workers = worker_count(config.workers, predictor.device)
    own = for_output(protocol, predictor.kind)
    found = constant_and_mean_map(source, items, own, config.mean_map_images, workers)
    lap("baselines")
    found["teacher"] = _teacher(config, source, items, protocol, predictor, observer, on_teacher)
    lap("teacher")
    return {name: _entry(baseline, scores) for name, baseline in found.items()}


def _teacher(
    config: EvaluateConfig,
    source: DataSource,
    items: Sequence[DataItem],
    protocol: Protocol,
    predictor: Predictor,
    observer: Observer,
    on_teacher: Callable[[Predictor], object],
) -> Baseline:
    """The teacher's scores, or why there are none: a result is not lost because of it."""
    if not config.score_teacher:
        return unavailable("left out by --no-teacher")
    workers = worker_count(config.workers, predictor.device)
    try:
        teacher = teacher_of(config, predictor)
        observer.on_note("scoring the teacher (--no-teacher leaves it out)")
        on_teacher(teacher)
        return teacher_baseline(
            teacher, source, items, protocol, workers, lambda done: observer.on_image(done, len(items))
        )
    except DisdepthError as error:
        if config.teacher is not None:
            observer.on_warning(f"the teacher is not scored: {error}")
        return unavailable(str(error))


def _entry(baseline: Baseline, scores: Scores) -> dict[str, Any]:
    """A baseline as it stands in the result, with what the model has over it."""
    if baseline.scores is None:
        return baseline.about
    entry = {**baseline.about, **summary(baseline.scores), "difference": differences(scores, baseline.scores)}
    if len(baseline.scores.per_image) != len(scores.per_image):
        entry |= {"scored_images": len(baseline.scores.per_image), "errors": baseline.scores.errors}
    return entry
