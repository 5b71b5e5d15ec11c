"""The images that a model is scored on: which they are, under which protocol, and what makes their labels doubtful."""

from __future__ import annotations

from collections.abc import Sequence

from disdepth_cli.config import EvaluateConfig
from disdepth_cli.data.files.dataset import DataSource, Split
from disdepth_cli.data.files.item import DataItem, only_labelled
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.protocols import Protocol, override
from disdepth_cli.inspection.labels import look_at_labels, oddities
from disdepth_cli.inspection.scale import scale_warning
from disdepth_cli.scoring.score import protocol_of


def labelled_items(source: DataSource, split: Split) -> Sequence[DataItem]:
    """The images of the split that have ground truth.

    Raises:
        DataError: there is none.
    """
    items = source.items(split)
    if not source.labelled(split):
        raise DataError(f"{source.root}: its {split} images have no depth to be scored against")
    return only_labelled(items)


def protocol_for(source: DataSource, config: EvaluateConfig) -> Protocol:
    """The data's or the named one, with what the options change."""
    return override(
        protocol_of(source, config.protocol),
        align=config.align,
        tta=config.tta,
        min_depth=config.min_depth,
        max_depth=config.max_depth,
    )


def data_oddities(source: DataSource, split: Split, items: Sequence[DataItem], protocol: Protocol) -> list[str]:
    """What makes the result doubtful, a line each."""
    labels = look_at_labels(source, split, items, protocol.min_depth, protocol.max_depth)
    odd = [warning] if (warning := scale_warning(labels, source.coding)) else list(oddities(labels))
    if protocol.name != "custom" and protocol.images and len(items) != protocol.images:
        odd.append(f"{protocol.name} has {protocol.images} images, here are {len(items)}: not the benchmark")
    return odd
