"""What acclimate and distill both need before the loop: the data looked at once, and the student's architecture."""

from __future__ import annotations

from disdepth_cli.config import AcclimateConfig, TrainingConfig
from disdepth_cli.config.parts import StudentOptions
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.machine.devices import pick_device
from disdepth_cli.machine.resources import worker_count
from disdepth_cli.models.encoder import timm_name
from disdepth_cli.models.student import StudentArchitecture
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.scoring.score import protocol_of
from disdepth_cli.teachers import DepthTeacher
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.first_look import refuse_unusable, tell_counts, tell_oddities, tell_of_shared_memory
from disdepth_cli.working_size import WorkingSize


def prepare_data(config: TrainingConfig, observer: Observer = SILENT) -> TrainingData:
    """Open the data of a configuration and look at it once.

    Raises:
        DataError: nothing to train on, nothing to validate on, or depth that cannot be right.
        ConfigError: an empty depth range.
    """
    source = load_source(config.data.location)
    refuse_unusable(source)
    tell_counts(source, observer)
    height, width = config.student.input_size
    min_depth = config.data.min_depth if config.data.min_depth is not None else max(source.min_depth, 1e-3)
    max_depth = config.data.max_depth if config.data.max_depth is not None else source.max_depth
    if min_depth >= max_depth:
        raise ConfigError(f"--min-depth {min_depth:g}: must be below --max-depth {max_depth:g}")
    tell_oddities(source, min_depth, max_depth, observer)
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
    tell_of_shared_memory(data, config.loop.batch_size, observer)
    return data


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
    data: TrainingData, config: AcclimateConfig, teacher: DepthTeacher, observer: Observer
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
        observer.on_note("no ground truth and a relative teacher: the student will give relative disparity, no metres")
        return data.as_disparity()
    require_labels(data, f"the teacher gives {contract.kind}, not metres; give labelled images")
    return data
