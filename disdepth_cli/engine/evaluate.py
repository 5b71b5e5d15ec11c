"""Evaluate: any model on any data under a named protocol, beside what it has to beat."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from disdepth_cli.config import EvaluateConfig
from disdepth_cli.data.files.dataset import DataSource, Split
from disdepth_cli.data.files.item import DataItem, only_labelled
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import ConfigError, DataError, DisdepthError
from disdepth_cli.evaluation.protocols import Protocol, for_output, override
from disdepth_cli.files import check_writable
from disdepth_cli.inspection.labels import look_at_labels, oddities
from disdepth_cli.inspection.scale import scale_warning
from disdepth_cli.machine.devices import device_words, pick_device, score_precision
from disdepth_cli.machine.resources import worker_count
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.results.models import EvaluateResult
from disdepth_cli.scoring.baselines import Baseline, constant_and_mean_map, teacher_baseline, unavailable
from disdepth_cli.scoring.open_model import open_model
from disdepth_cli.scoring.score import Scores, protocol_of, score
from disdepth_cli.scoring.summary import differences, images_with, intervals, summary, write_rows
from disdepth_cli.scoring.teacher_of import teacher_of
from disdepth_cli.scoring.worst_images import draw_worst


def evaluate(config: EvaluateConfig, observer: Observer = SILENT) -> EvaluateResult:
    """Score a model on a data set, and what it has to beat.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    _check(config)
    for path in (config.per_image, config.output and config.output / "0.png"):
        if path:
            check_writable(path)
    clock = Clock()
    source = load_source(config.data)
    items, protocol = _labelled(source, config), _protocol(source, config)
    predictor, workers = _opened(config)
    own = for_output(protocol, predictor.kind)
    warnings = _oddities(source, config.split, items, own)
    _warn(observer, warnings)
    clock.lap("opening")
    told = _told(observer, len(items))
    scores = score(predictor, source, items, own, workers=workers, on_image=told, details=True)
    _warn(observer, scores.errors)
    means = summary(scores)
    by_key = {source.key(item): item for item in items}
    if again := len(items) - len(by_key):
        warnings.append(
            f"{again} rows name an image that another row names too: it counts once, with the last one's depth"
        )
        _warn(observer, warnings[-1:])
    if config.per_image:
        write_rows(config.per_image, scores, source, by_key)
    clock.lap("scoring")
    scored = [by_key[key] for key in scores.per_image]
    baselines: dict[str, dict[str, Any]] = {}
    if config.baselines:
        found = constant_and_mean_map(source, scored, own, config.mean_map_images, workers)
        clock.lap("baselines")
        found["teacher"] = _teacher(config, source, scored, protocol, predictor, observer)
        baselines = {name: _entry(baseline, scores) for name, baseline in found.items()}
        clock.lap("teacher")
    worst = None
    if config.worst and config.output:
        worst = draw_worst(predictor, source, by_key, own, scores, config.worst, config.worst_by, config.output)
        clock.lap("worst")
    about = {"baselines": baselines, "worst": worst, "warnings": warnings, "seconds": clock.seconds}
    return _result(config, own, predictor, scores, means, about)


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
    """Refuse options that contradict each other, before any work.

    Raises:
        ConfigError: they do.
    """
    if config.teacher is not None and not (config.baselines and config.score_teacher):
        raise ConfigError(f"--teacher {config.teacher}: contradicts --no-teacher and --no-baselines; leave one out")
    if config.worst and config.output is None:
        raise ConfigError(f"--worst {config.worst}: name a folder for its pictures, -o DIR")
    if config.output is not None and not config.worst:
        raise ConfigError(f"-o {config.output}: only --worst writes there; say how many images, --worst K")


def _opened(config: EvaluateConfig) -> tuple[DepthPredictor, int]:
    """The model, and how many threads read images for it."""
    device = pick_device(config.device)
    precision = score_precision(config.precision, device)
    predictor = open_model(config.model, config.device, precision, config.revision, config.offline)
    return predictor, worker_count(config.workers, device)


def _labelled(source: DataSource, config: EvaluateConfig) -> Sequence[DataItem]:
    """The images of the split that have ground truth.

    Raises:
        DataError: there is none.
    """
    items = source.items(config.split)
    if not source.labelled(config.split):
        raise DataError(f"{source.root}: its {config.split} images have no depth to be scored against")
    return only_labelled(items)


def _protocol(source: DataSource, config: EvaluateConfig) -> Protocol:
    """The data's or the named one, with what the options change."""
    return override(
        protocol_of(source, config.protocol),
        align=config.align,
        tta=config.tta,
        min_depth=config.min_depth,
        max_depth=config.max_depth,
    )


def _result(
    config: EvaluateConfig,
    protocol: Protocol,
    predictor: DepthPredictor,
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
        parameters=sum(parameter.numel() for parameter in predictor.model.parameters()),
        errors=scores.errors,
        **about,
    )


def _teacher(
    config: EvaluateConfig,
    source: DataSource,
    items: Sequence[DataItem],
    protocol: Protocol,
    predictor: DepthPredictor,
    observer: Observer,
) -> Baseline:
    """The teacher's scores, or why there are none: a result is not lost because of it."""
    if not config.score_teacher:
        return unavailable("left out by --no-teacher")
    workers = worker_count(config.workers, predictor.device)
    try:
        teacher = teacher_of(config, predictor)
        observer.on_note("scoring the teacher (--no-teacher leaves it out)")
        return teacher_baseline(teacher, source, items, protocol, workers, _told(observer, len(items)))
    except DisdepthError as error:
        if config.teacher is not None:
            _warn(observer, [f"the teacher is not scored: {error}"])
        return unavailable(str(error))


def _entry(baseline: Baseline, scores: Scores) -> dict[str, Any]:
    """A baseline as it stands in the result, with what the model has over it."""
    if baseline.scores is None:
        return baseline.about
    entry = {**baseline.about, **summary(baseline.scores), "difference": differences(scores, baseline.scores)}
    if len(baseline.scores.per_image) != len(scores.per_image):
        entry |= {"scored_images": len(baseline.scores.per_image), "errors": baseline.scores.errors}
    return entry


def _oddities(source: DataSource, split: Split, items: Sequence[DataItem], protocol: Protocol) -> list[str]:
    """What makes the result doubtful, a line each."""
    labels = look_at_labels(source, split, items, protocol.min_depth, protocol.max_depth)
    odd = [warning] if (warning := scale_warning(labels, source.coding)) else list(oddities(labels))
    if protocol.name != "custom" and protocol.images and len(items) != protocol.images:
        odd.append(f"{protocol.name} has {protocol.images} images, here are {len(items)}: not the benchmark")
    return odd


def _warn(observer: Observer, messages: Sequence[str]) -> None:
    for message in messages:
        observer.on_warning(message)


def _told(observer: Observer, total: int) -> Callable[[int], None]:
    """A function that tells the observer how many of `total` images are done."""
    return partial(_tell, observer, total)


def _tell(observer: Observer, total: int, done: int) -> None:
    observer.on_image(done, total)
