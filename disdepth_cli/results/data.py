"""What check and pack give back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from disdepth_cli.results.result import Result


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
