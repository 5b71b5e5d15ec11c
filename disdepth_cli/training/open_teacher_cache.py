"""The cache of a frozen teacher's outputs, opened for a run and reported at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from disdepth_cli.config.parts import LoopOptions
from disdepth_cli.config.training import AcclimatedTeacherOptions
from disdepth_cli.errors import ConfigError
from disdepth_cli.files import check_writable
from disdepth_cli.machine.processes import from_main, gather
from disdepth_cli.machine.sums import world
from disdepth_cli.method.teacher_cache import TeacherCache
from disdepth_cli.observer import Observer
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.loop.task import Schedule


def refuse_trained(options: AcclimatedTeacherOptions) -> None:
    """A teacher that learns has nothing to replay.

    Raises:
        ConfigError: it would be trained, and its outputs kept.
    """
    if options.cache is not None and options.train != "frozen":
        raise ConfigError(
            f"--teacher-cache: keeps what a frozen teacher says, and --train-teacher {options.train} changes "
            "it at every step; leave one of them out"
        )


def open_teacher_cache(
    folder: Path | None,
    loop: LoopOptions,
    data: TrainingData,
    teachers: Sequence[DepthTeacher],
    observer: Observer,
) -> TeacherCache | None:
    """The cache in a folder, with a note of the space it will take; None without a folder, or without teachers.

    Raises:
        DisdepthError: its folder cannot be written.
    """
    if folder is None or not teachers:
        return None
    from_main(lambda: check_writable(folder / "view"))
    size = data.crop_size()
    for teacher in (teacher for teacher in teachers if teacher.contract.sees != "stored"):
        note = _space(loop, data, teacher, size)
        observer.on_note(f"teacher: what it says is kept in {folder}, {note}")
    return TeacherCache(folder)


def _space(loop: LoopOptions, data: TrainingData, teacher: DepthTeacher, size: tuple[int, int]) -> str:
    """How much space a teacher's outputs will take, in words. size: of the views [pixels]."""
    if teacher.contract.sees == "whole":
        working, images = teacher.contract.working_size, len(data.source.train)
        each = view_bytes(teacher, *working.padded(working.height, working.width))
        return f"about {each / 1e6:.1f} MB an image, {each * images / 1e9:.2g} GB for {images} images"
    each, views = view_bytes(teacher, *size), _views_of(loop, data)
    again = "" if data.augment.views else "; every epoch has views of its own (--views N: N views of an image)"
    return f"about {each / 1e6:.1f} MB a view, {each * views / 1e9:.2g} GB for up to {views} views{again}"


def view_bytes(teacher: DepthTeacher, height: int, width: int) -> int:
    """About how many bytes a view of that size [pixels] takes: features of two bytes a number, depth of four."""
    rows, columns = teacher.input_size(height, width)
    spec = teacher.contract.spec
    grids = zip(spec.channels, spec.reductions, strict=True)
    features = sum(2 * channels * (rows // stride) * (columns // stride) for channels, stride in grids)
    return features + (0 if teacher.contract.kind == "none" else 4 * height * width)


def replay_report(cache: TeacherCache | None, observer: Observer) -> dict[str, Any] | None:
    """How many views were replayed since the run was started or resumed, in all processes; told, and for report.json.

    {"folder", "views", "replayed"}, or None where nothing was kept.
    """
    if cache is None:
        return None
    counts = gather((cache.views, cache.computed))
    views, computed = (sum(one) for one in zip(*counts, strict=True))
    observer.on_note(f"teacher: {views - computed} of {views} views replayed from {cache.folder}")
    return {"folder": str(cache.folder), "views": views, "replayed": views - computed}


def _views_of(loop: LoopOptions, data: TrainingData) -> int:
    """How many different views a run draws, at most."""
    steps = Schedule.plan(loop, data.batches_per_epoch(loop.batch_size, world())).total_steps
    drawn = steps * loop.accumulate * loop.batch_size * world()
    return min(drawn, len(data.source.train) * data.augment.views) if data.augment.views else drawn
