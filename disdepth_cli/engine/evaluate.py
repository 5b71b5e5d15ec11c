"""Evaluate: any model on any data under a named protocol, beside what it has to beat."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from disdepth_cli.config import EvaluateConfig
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import ConfigError
from disdepth_cli.evaluation.protocols import Protocol, for_output
from disdepth_cli.files import check_writable
from disdepth_cli.machine.devices import device_words
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.predictor import Predictor
from disdepth_cli.results.models import EvaluateResult
from disdepth_cli.scoring.backend import open_in_runtime
from disdepth_cli.scoring.beside import baselines_beside
from disdepth_cli.scoring.score import Scores, score
from disdepth_cli.scoring.scored_data import data_oddities, labelled_items, protocol_for
from disdepth_cli.scoring.summary import images_with, intervals, summary, write_rows
from disdepth_cli.scoring.worst_images import EvaluationImages, draw_worst

TWICE = "{} rows name an image that another row names too: it counts once, with the last one's depth"


def evaluate(config: EvaluateConfig, observer: Observer = SILENT) -> EvaluateResult:
    """Score a model on a data set, and what it has to beat.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    _check(config)
    clock = Clock()
    source = load_source(config.data)
    items, protocol = labelled_items(source, config.split), protocol_for(source, config)
    precision = "fp32" if config.precision == "auto" else config.precision  # what is scored is exact
    predictor = open_in_runtime(
        config.model, config.backend, config.device, precision, config.revision, config.offline, observer
    )
    own = for_output(protocol, predictor.kind)
    warnings = data_oddities(source, config.split, items, own)
    _warn(observer, warnings)
    clock.lap("opening")
    scores = score(
        predictor,
        source,
        items,
        own,
        workers=config.workers,
        on_image=lambda done: observer.on_image(done, len(items)),
        details=True,
    )
    _warn(observer, scores.errors)
    means = summary(scores)
    by_key = {source.key(item): item for item in items}
    if again := len(items) - len(by_key):
        warnings.append(TWICE.format(again))
        observer.on_warning(warnings[-1])
    if config.per_image:
        write_rows(config.per_image, scores, source, by_key)
    clock.lap("scoring")
    shown = EvaluationImages(config, source, by_key, own, scores)
    shown.look("model", predictor)
    scored = [by_key[key] for key in scores.per_image]
    baselines: dict[str, dict[str, Any]] = {}
    if config.baselines:
        teacher = partial(shown.look, "teacher")
        baselines = baselines_beside(config, source, scored, protocol, predictor, scores, observer, clock.lap, teacher)
    worst = None
    if config.worst and config.output:
        worst = draw_worst(predictor, source, by_key, own, scores, config.worst, config.worst_by, config.output)
    if config.output:
        clock.lap("worst")
    about = {"baselines": baselines, "worst": worst, "warnings": warnings, "seconds": clock.seconds}
    return shown.with_page(_result(config, own, predictor, scores, means, about))


class Clock:
    """Where the time went [s]."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    def lap(self, name: str) -> None:
        """What passed since the last lap, or since the start, was for `name`."""
        now = time.perf_counter()
        self.seconds[name] = round(now - self._began, 3)
        self._began = now


def _check(config: EvaluateConfig) -> None:
    """Refuse options that contradict each other, and places that cannot be written, before any work.

    Raises:
        ConfigError, DisdepthError: there is one.
    """
    if config.teacher is not None and not (config.baselines and config.score_teacher):
        raise ConfigError(f"--teacher {config.teacher}: contradicts --no-teacher and --no-baselines; leave one out")
    for path in (config.per_image, config.output and config.output / "report.html"):
        if path:
            check_writable(path)
    if config.worst and config.output is None:
        raise ConfigError(f"--worst {config.worst}: name a folder for its pictures, -o DIR")


def _result(
    config: EvaluateConfig,
    protocol: Protocol,
    predictor: Predictor,
    scores: Scores,
    means: dict[str, Any],
    about: dict[str, Any],
) -> EvaluateResult:
    """The means over images, with what else is known, `about`."""
    metrics = {name: means.pop(name) for name in scores.mean.as_dict()}
    return EvaluateResult(
        model=config.model,
        data=str(config.data),
        split=config.split,
        protocol=protocol.as_json(),
        precision=predictor.precision,
        device=device_words(predictor.device),
        images=len(scores.per_image),
        **metrics,
        details=means,
        intervals=intervals(scores),
        images_with=images_with(scores),
        buckets=list(protocol.buckets),
        parameters=predictor.parameters,
        errors=scores.errors,
        **about,
    )


def _warn(observer: Observer, messages: Sequence[str]) -> None:
    for message in messages:
        observer.on_warning(message)
