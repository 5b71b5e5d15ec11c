"""A data set before training: what is refused, and what is said of it before time is spent."""

from __future__ import annotations

from collections.abc import Iterator

from disdepth_cli.data.batches.loader import shared_bytes
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.errors import DataError
from disdepth_cli.inspection.labels import look_at_labels, oddities
from disdepth_cli.inspection.photographs import refuse_depth_maps
from disdepth_cli.inspection.scale import scale_warning
from disdepth_cli.machine import resources
from disdepth_cli.observer import Observer
from disdepth_cli.training.data import TrainingData


def refuse_unusable(source: DataSource) -> None:
    """Refuse an empty split, and depth maps in the place of photographs.

    Raises:
        DataError: there is one of these.
    """
    refuse_depth_maps("train", source.items("train"))
    refuse_depth_maps("val", source.items("val"))


def tell_counts(source: DataSource, observer: Observer) -> None:
    """Say how many images there are, and what their stored depth means."""
    labelled, without = source.counts()
    train = f"{labelled} train"
    if without:
        share = 100 * without / (labelled + without)
        train = f"{labelled} labelled and {without} unlabelled train ({share:.0f} % without ground truth)"
    meaning = ""
    if source.labelled("train") or source.labelled("val"):
        meaning = f"; depth [m] = {source.coding.meaning}, up to {source.max_depth:g} m"
    observer.on_note(f"data: {train}, {len(source.val)} val images{meaning}")
    if source.recognised:
        observer.on_note(f"data: recognised as {source.format}; a data.yaml there may say otherwise")


def tell_oddities(source: DataSource, min_depth: float, max_depth: float, observer: Observer) -> None:
    """Warn of what deserves a look.

    Raises:
        DataError: no training depth that was looked at is in the range [m].
    """
    for message in _oddities(source, min_depth, max_depth):
        observer.on_warning(message)


def tell_of_shared_memory(data: TrainingData, batch_size: int, observer: Observer) -> None:
    """Say so where it is too small for what the workers hand over; what finds no room is sent another way."""
    free = resources.free_shared_memory()
    need = shared_bytes(data.crop_size(), batch_size, data.workers) if data.workers else 0
    if free is None or free >= need:
        return
    observer.on_note(
        f"shared memory: {free / 1e6:.0f} MB are free, the workers' batches take up to {need / 1e6:.0f} MB; what "
        "finds no room is sent through pipes, which may be slower (docker run --shm-size 1g gives more)"
    )


def _oddities(source: DataSource, min_depth: float, max_depth: float) -> Iterator[str]:
    """A line each."""
    if source.skipped:
        first = source.skipped[0]
        yield f"{len(source.skipped)} entries left out, the first: {first.where}: {first.reason}"
    train = look_at_labels(source, "train", source.train, min_depth, max_depth)
    val = look_at_labels(source, "val", source.val, min_depth, max_depth)
    warning = scale_warning(train, source.coding)
    if warning:
        yield warning
    unused = [label.key for label in train if not label.used]
    if train and len(unused) == len(train):
        raise DataError(
            f"{source.root}: none of {len(train)} training depth maps looked at has depth between {min_depth:g} and "
            f"{max_depth:g} m (such as {unused[0]}){f'; {warning}' if warning else ''}; disdepth check names them all"
        )
    if unused:
        yield f"{len(unused)} of {len(train)} training depth maps looked at have no depth in range, such as {unused[0]}"
    yield from oddities([*train, *val])
