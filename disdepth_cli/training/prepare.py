"""What acclimate and distill both need before the loop: the data looked at once, and the student's architecture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from disdepth_cli.config import AcclimateConfig, TrainingConfig
from disdepth_cli.config.parts import StudentOptions
from disdepth_cli.data.batches.loader import shared_bytes
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.inspection.scale import scale_warning
from disdepth_cli.machine import resources
from disdepth_cli.machine.devices import pick_device
from disdepth_cli.machine.resources import worker_count
from disdepth_cli.models.encoder import timm_name
from disdepth_cli.models.student import StudentArchitecture
from disdepth_cli.observer import Observer
from disdepth_cli.scoring.score import protocol_of
from disdepth_cli.teachers import DepthTeacher
from disdepth_cli.training.data import TrainingData
from disdepth_cli.working_size import WorkingSize


def prepare_data(config: TrainingConfig, observers: Sequence[Observer]) -> TrainingData:
    """Open the data of a configuration and look at it once.

    Raises:
        DataError: nothing to train on, or nothing to validate on.
        ConfigError: an empty depth range.
    """
    source = load_source(config.data.location)
    train = source.items("train")
    source.items("val")
    for message in _oddities(source, train):
        for observer in observers:
            observer.on_warning(message)
    for observer in observers:
        observer.on_note(f"data: {_train_counts(source)}, {len(source.val)} val images" + _meaning(source))
        if source.recognised:
            observer.on_note(f"data: recognised as {source.format}; a data.yaml there may say otherwise")
    height, width = config.student.input_size
    min_depth = config.data.min_depth if config.data.min_depth is not None else max(source.min_depth, 1e-3)
    max_depth = config.data.max_depth if config.data.max_depth is not None else source.max_depth
    if min_depth >= max_depth:
        raise ConfigError(f"--min-depth {min_depth:g}: must be below --max-depth {max_depth:g}")
    device = pick_device(config.machine.device)
    data = TrainingData(
        source,
        protocol_of(source),
        WorkingSize(height, width),
        min_depth,
        max_depth,
        augment=config.data.augment,
        seed=config.loop.seed,
        workers=worker_count(config.machine.workers, device),
        pin_memory=device.type == "cuda",
    )
    _tell_of_shared_memory(data, config.loop.batch_size, observers)
    return data


def _tell_of_shared_memory(data: TrainingData, batch_size: int, observers: Sequence[Observer]) -> None:
    """Say so where it is too small for what the workers hand over; what finds no room is sent another way."""
    free = resources.free_shared_memory()
    need = shared_bytes(data.crop_size(), batch_size, data.workers) if data.workers else 0
    if free is None or free >= need:
        return
    for observer in observers:
        observer.on_note(
            f"shared memory: {free / 1e6:.0f} MB are free, the workers' batches take up to {need / 1e6:.0f} MB; what "
            "finds no room is sent through pipes, which may be slower (docker run --shm-size 1g gives more)"
        )


def _meaning(source: DataSource) -> str:
    """What stored depth means, where there is any."""
    if not source.labelled("train") and not source.labelled("val"):
        return ""
    return f"; depth [m] = stored / {source.depth_scale:g}, up to {source.max_depth:g} m"


def _train_counts(source: DataSource) -> str:
    labelled, without = source.counts()
    if not without:
        return f"{labelled} train"
    share = 100 * without / (labelled + without)
    return f"{labelled} labelled and {without} unlabelled train ({share:.0f} % without ground truth)"


def _oddities(source: DataSource, train: Sequence[Any]) -> Iterator[str]:
    if source.skipped:
        first = source.skipped[0]
        yield f"{len(source.skipped)} entries left out, the first: {first.where}: {first.reason}"
    warning = scale_warning(train, source.coding)
    if warning:
        yield warning


def require_labels(data: TrainingData, why: str) -> None:
    """Refuse data without any ground truth.

    Raises:
        DataError: not one training image, or not one val image, has depth.
    """
    for split, name in (("train", "training"), ("val", "val")):
        if not data.source.labelled(split):  # type: ignore[arg-type]
            raise DataError(f"{data.source.root}: its {name} images have no depth, and {why}")


def student_architecture(student: StudentOptions, data: TrainingData) -> StudentArchitecture:
    """The architecture that the options ask for, in the range and kind of the data.

    Raises:
        StudentError: no such backbone.
    """
    return StudentArchitecture(
        backbone=timm_name(student.backbone),
        min_depth=data.min_depth,
        max_depth=data.max_depth,
        working_size=data.working_size,
        lg_conv=student.lg_conv,
        decoder_channels=student.decoder_channels,
        bins=student.bins,
        output_kind=data.output_kind,
    )


def supervised_data(
    data: TrainingData, config: AcclimateConfig, teacher: DepthTeacher, observers: Sequence[Observer]
) -> TrainingData:
    """The data with the range and kind that ground truth, or without any the teacher, gives a student's output.

    Raises:
        DataError: nothing says what depth is: no ground truth, and an encoder for a teacher.
        ConfigError: options that mean metres for a student that has none.
    """
    contract = teacher.contract
    if config.teacher.train != "frozen":
        require_labels(data, "--train-teacher learns from ground truth; give labelled images, or keep it frozen")
    if contract.kind == "metric_depth":
        without_range = not data.source.labelled("train") and config.data.max_depth is None
        return data.in_range(data.min_depth, contract.max_depth) if without_range and contract.max_depth else data
    if contract.kind == "disparity" and not data.source.labelled("train"):
        if config.data.max_depth is not None or config.data.min_depth is not None:
            raise ConfigError(
                f"--min-depth, --max-depth: {contract.id} gives relative disparity and no image has ground truth, so "
                "the student's output has no metres; leave them out"
            )
        for observer in observers:
            observer.on_note(
                "no ground truth and a relative teacher: the student will give relative disparity, no metres"
            )
        return data.as_disparity()
    require_labels(data, f"the teacher gives {contract.kind}, not metres; give labelled images")
    return data
