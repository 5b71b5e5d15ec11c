"""Evaluate: any model on any data under a named protocol."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from disdepth_cli.atomic import write_atomic
from disdepth_cli.config import EvaluateConfig
from disdepth_cli.configure import build_config
from disdepth_cli.data.scale import scale_warning
from disdepth_cli.data.shards import only_labelled
from disdepth_cli.data.sources import DataItem, DataSource, load_source
from disdepth_cli.engine.observers import Observer
from disdepth_cli.engine.open_model import open_model
from disdepth_cli.engine.scoring import Scores, protocol_of, score
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.protocols import Protocol, for_output, override


def evaluate(
    config: EvaluateConfig | None = None, *, observers: Sequence[Observer] = (), **options: Any
) -> dict[str, Any]:
    """Score a model. Returns {"model", "protocol": {...}, "images", metrics..., "errors", "warnings"}.

    config, or its fields as keywords. Metrics are means over images of per-image values; depth in metres.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    config = config or build_config(EvaluateConfig, options)
    source = load_source(config.data)
    items = source.items(config.split)
    protocol = override(
        protocol_of(source, config.protocol),
        align=config.align,
        tta=config.tta,
        min_depth=config.min_depth,
        max_depth=config.max_depth,
    )
    if not source.labelled(config.split):
        raise DataError(f"{source.root}: its {config.split} images have no depth to be scored against")
    items = only_labelled(items)
    predictor = open_model(config.model, config.device, config.precision, config.revision, config.offline)
    protocol = for_output(protocol, predictor.kind)
    warnings = _oddities(source, items, protocol)
    _warn(observers, warnings)
    scores = score(
        predictor,
        source,
        items,
        protocol,
        workers=config.workers,
        on_image=lambda done: _tell(observers, done, len(items)),
    )
    _warn(observers, scores.errors)
    if config.per_image:
        _write_rows(config.per_image, scores)
    return {
        "model": config.model,
        "data": str(config.data),
        "split": config.split,
        "protocol": protocol.as_json(),
        "images": len(scores.per_image),
        **scores.mean.as_dict(),
        "parameters": sum(parameter.numel() for parameter in predictor.model.parameters()),
        "errors": scores.errors,
        "warnings": warnings,
    }


def _oddities(source: DataSource, items: Sequence[DataItem], protocol: Protocol) -> list[str]:
    """What makes the result doubtful, a line each."""
    odd = [warning] if (warning := scale_warning(items, source.coding)) else []
    if protocol.images and len(items) != protocol.images:
        odd.append(f"{protocol.name} has {protocol.images} images, here are {len(items)}: not the benchmark")
    return odd


def _warn(observers: Sequence[Observer], messages: Sequence[str]) -> None:
    for observer in observers:
        for message in messages:
            observer.on_warning(message)


def _tell(observers: Sequence[Observer], done: int, total: int) -> None:
    for observer in observers:
        observer.on_image(done, total)


def _write_rows(file: Path, scores: Scores) -> None:
    rows = [{"image": key, **asdict(metrics)} for key, metrics in scores.per_image.items()]

    def write(temporary: Path) -> None:
        with open(temporary, "w", newline="", encoding="utf-8") as handle:
            table = csv.DictWriter(handle, list(rows[0]))
            table.writeheader()
            table.writerows(rows)

    if rows:
        write_atomic(file, write)
