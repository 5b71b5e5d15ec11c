"""acclimate and distill in Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, overload

from disdepth_cli.api.options import config_of
from disdepth_cli.config import AcclimateConfig, DistillConfig
from disdepth_cli.observer import Observer, Observers
from disdepth_cli.results.training import AcclimatePlan, AcclimateReport, DistillPlan, DistillReport


@overload
def acclimate(
    teacher: str | Path | None = None,
    data: str | Path | None = None,
    *,
    dry_run: Literal[True],
    observers: Sequence[Observer] = (),
    **options: Any,
) -> AcclimatePlan: ...


@overload
def acclimate(
    teacher: str | Path | None = None,
    data: str | Path | None = None,
    *,
    config: AcclimateConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> AcclimateReport: ...


def acclimate(
    teacher: str | Path | None = None,
    data: str | Path | None = None,
    *,
    config: AcclimateConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> AcclimateReport | AcclimatePlan:
    """Acclimate a teacher to a student's decoder and write `acclimated.safetensors` into a run folder.

    Args:
        teacher: a Hub id, a local folder in Hub format, or `timm:NAME`.
        data: a data.yaml, a folder with `rgb/` (or `images/`) and `depth/`, a folder of images, or shards.
        config: all options at once, in place of the others.
        observers: are told of the progress, of notes and warnings.
        **options: the other fields of `AcclimateConfig`, such as `student`, `output`, `epochs` and `dry_run`.

    Returns:
        The report: speed, metrics of the teacher itself, through the ghost decoder, and of a constant depth. With
        `dry_run=True` what the teacher is, and nothing is trained.

    Raises:
        DisdepthError: an unknown option, no such teacher or data, or a training that cannot go on.

    Example:
        >>> from disdepth_cli import acclimate
        >>> acclimate("teacher", dry_run=True).teacher["kind"]
        'metric_depth'
        >>> report = acclimate("teacher", "data.yaml", output="acclimated", input_size="64x96", max_steps=2, workers=0)
        >>> report.steps, sorted(report.best)[:3]
        (2, ['abs_rel', 'delta1', 'delta2'])
    """
    from disdepth_cli.engine.acclimate import acclimate as run

    return run(config_of(AcclimateConfig, config, {"teacher": teacher, "data": data, **options}), Observers(observers))


@overload
def distill(
    data: str | Path | None = None, *, dry_run: Literal[True], observers: Sequence[Observer] = (), **options: Any
) -> DistillPlan: ...


@overload
def distill(
    data: str | Path | None = None,
    *,
    config: DistillConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> DistillReport: ...


def distill(
    data: str | Path | None = None,
    *,
    config: DistillConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> DistillReport | DistillPlan:
    """Train a student with its teacher and write `student.safetensors` into a run folder.

    Args:
        data: a data.yaml, a folder with `rgb/` (or `images/`) and `depth/`, a folder of images, or shards.
        config: all options at once, in place of the others.
        observers: are told of the progress, of notes and warnings.
        **options: the other fields of `DistillConfig`: `student`, `teacher` (an acclimated run, or any teacher, which
            is acclimated first; default: the latest run under runs/), `output`, `epochs`, `control`, `dry_run`, ...

    Returns:
        The report: speed, best and final metrics, costs; with `control=True` also `gain`, what the teacher was worth.
        With `dry_run=True` what would be done, and nothing is trained.

    Raises:
        DisdepthError: an unknown option, no such teacher, student or data, or a training that cannot go on.

    Example:
        >>> from disdepth_cli import distill
        >>> tiny = {"pretrained": False, "input_size": "64x96", "max_steps": 2, "workers": 0}
        >>> report = distill("data.yaml", student="mobilenetv2", teacher="teacher", output="run", **tiny)
        >>> report.steps, report.run, 0 < report.best["rmse"] < 10
        (2, 'run', True)
    """
    from disdepth_cli.engine.distill import distill as run

    return run(config_of(DistillConfig, config, {"data": data, **options}), Observers(observers))
