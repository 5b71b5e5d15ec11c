"""What acclimate and distill both need before the loop: the data as batches, the student's architecture, the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch

from disdepth_cli.config import AcclimateConfig, LoopConfig, StudentConfig
from disdepth_cli.config.types import OutputKind
from disdepth_cli.data.batches.loader import TrainBatches, TrainDataset, batches_per_epoch, train_loader
from disdepth_cli.data.batches.order import Order
from disdepth_cli.data.batches.origin import Origins
from disdepth_cli.data.batches.views import TrainView, default_crop
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import DataItem, blocks_of, few_labelled, first_without_focal, only_labelled
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.data.shards.prefetch import prefetch_of
from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.evaluation.protocols import TEACHER_DISPARITY, Protocol, for_output, override
from disdepth_cli.inspection.scale import scale_warning
from disdepth_cli.models.encoder import timm_name
from disdepth_cli.models.student import StudentArchitecture
from disdepth_cli.observer import Observer
from disdepth_cli.scoring.score import protocol_of
from disdepth_cli.scoring.teacher_inputs import check_stored, origins_of
from disdepth_cli.teachers import DepthTeacher
from disdepth_cli.teachers.teacher import FOCAL_IS_MISSING
from disdepth_cli.types import DepthBatch
from disdepth_cli.working_size import WorkingSize


def supervised_data(
    data: TrainingData, config: AcclimateConfig, teacher: DepthTeacher, observers: Sequence[Observer]
) -> TrainingData:
    """The data with the range and kind that ground truth, or without any the teacher, gives a student's output.

    Raises:
        DataError: nothing says what depth is: no ground truth, and an encoder for a teacher.
        ConfigError: options that mean metres for a student that has none.
    """
    contract = teacher.contract
    if config.train_teacher != "frozen":
        require_labels(data, "--train-teacher learns from ground truth; give labelled images, or keep it frozen")
    if contract.kind == "metric_depth":
        without_range = not data.source.labelled("train") and config.max_depth is None
        return data.in_range(data.min_depth, contract.max_depth) if without_range and contract.max_depth else data
    if contract.kind == "disparity" and not data.source.labelled("train"):
        if config.max_depth is not None or config.min_depth is not None:
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


FRAMED_BORDER, FRAMES = "nyu", 0.5  # a border crop that cuts a white frame away, which whole images then have
Settings = TypeVar("Settings", bound=LoopConfig)


@dataclass(frozen=True)
class TrainingData:
    """A data set made ready for training under a configuration."""

    source: DataSource
    protocol: Protocol
    working_size: WorkingSize
    min_depth: float
    max_depth: float
    output_kind: OutputKind = "metric_depth"
    origins: Origins | None = None

    def shown_to(self, teachers: Sequence[DepthTeacher]) -> TrainingData:
        """The same data with what these teachers need of a view beside its pixels.

        Raises:
            DataError: one needs the focal length, or stored depth, of a training image that has none.
        """
        for teacher in teachers:
            if teacher.contract.needs_focal and self.source.focal is None:
                lacks = first_without_focal(self.source.train)
                if lacks is not None:
                    raise DataError(f"{self.source.key(lacks)}: {teacher.contract.id} {FOCAL_IS_MISSING}")
        origins = origins_of(teachers, of_views=True)
        if origins is not None:
            check_stored(origins, teachers, self.source)
        return replace(self, origins=origins)

    def in_range(self, min_depth: float, max_depth: float) -> TrainingData:
        """The same data with another depth range [m]."""
        protocol = override(self.protocol, min_depth=min_depth, max_depth=max_depth)
        return replace(self, min_depth=min_depth, max_depth=max_depth, protocol=protocol)

    def as_disparity(self) -> TrainingData:
        """The same data for a student of relative disparity in 0 to 1.

        Val images with ground truth are scored after an alignment in disparity; others against the teacher's disparity.
        """
        if self.source.labelled("val"):
            protocol = for_output(override(self.protocol, align="scale-shift"), "disparity")
        else:
            protocol = TEACHER_DISPARITY
        return replace(self, min_depth=0.0, max_depth=1.0, protocol=protocol, output_kind="disparity")

    def batches_per_epoch(self, config: LoopConfig, world: int) -> int:
        """Batches that one process takes in an epoch."""
        return batches_per_epoch(len(self.source.train), config.batch_size, world)

    def batches(
        self, config: LoopConfig, rank: int, world: int, seed: int, labelled_only: bool = False
    ) -> Callable[[int, int], Iterator[DepthBatch]]:
        """(first batch, total batches) -> the batches of a run, the same whenever they are asked for.

        seed: of the order, and of the views unless they have their own. labelled_only: the images without ground truth
        are left out; the others come round more often.
        """
        border, crop = self.protocol.training_box, self.crop_size(config)
        own = view_seed(config, seed)
        view = TrainView(config.augment, crop, self.working_size, border, own, self.min_depth, self.max_depth)
        items, blocks = self.source.items("train"), self.source.train_blocks
        if labelled_only and self.source.counts()[1]:
            items = only_labelled(items)
            blocks = blocks_of(items)
        dataset = TrainDataset(items, self.source, view, self.origins)
        order = Order(blocks or (len(items),), seed, on_window=prefetch_of(items))

        def start(first: int, total: int) -> Iterator[DepthBatch]:
            batches = TrainBatches(order, config.batch_size, first, total, rank, world)
            pin = torch.cuda.is_available() and config.device != "cpu"
            return iter(train_loader(dataset, batches, config.workers, pin_memory=pin))

        return start

    def crop_size(self, config: LoopConfig) -> tuple[int, int]:
        """(height, width) of the training views."""
        border = self.protocol.training_box
        return config.augment.crop_size or default_crop(self.working_size, border, self._reference())

    def frame_share(self, config: LoopConfig) -> float:
        """Share of the student's views that get a painted frame."""
        if config.augment.frame is not None:
            return config.augment.frame
        return FRAMES if self.protocol.training_border == FRAMED_BORDER else 0.0

    def _reference(self) -> tuple[int, int]:
        """Size of a typical image: the protocol's own, else one of the working size's shape."""
        height, width = self.working_size.height, self.working_size.width
        return {"nyu": (480, 640), "kb": (375, 1242)}.get(self.protocol.training_border or "", (height, width))


def view_seed(config: LoopConfig, seed: int) -> int:
    """Seed of the views of batches whose order is drawn from `seed`, the run's own or one apart from it.

    Where the number of views is fixed, all that the run draws are the same views.
    """
    first = config.seed if config.augment.seed is None else config.augment.seed
    return first if config.augment.views else first + seed - config.seed


def prepare_data(config: Any, observers: Sequence[Observer]) -> TrainingData:
    """Open the data of a configuration and look at it once.

    Raises:
        DataError: nothing to train on, or nothing to validate on.
        ConfigError: an empty depth range.
    """
    source = load_source(config.data)
    train = source.items("train")
    source.items("val")
    for message in _oddities(source, train):
        for observer in observers:
            observer.on_warning(message)
    for observer in observers:
        observer.on_note(f"data: {_train_counts(source)}, {len(source.val)} val images" + _meaning(source))
        if source.recognised:
            observer.on_note(f"data: recognised as {source.format}; a data.yaml there may say otherwise")
    height, width = config.input_size
    min_depth = config.min_depth if config.min_depth is not None else max(source.min_depth, 1e-3)
    max_depth = config.max_depth if config.max_depth is not None else source.max_depth
    if min_depth >= max_depth:
        raise ConfigError(f"--min-depth {min_depth:g}: must be below --max-depth {max_depth:g}")
    return TrainingData(source, protocol_of(source), WorkingSize(height, width), min_depth, max_depth)


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


def few_training(data: TrainingData, count: int) -> Sequence[DataItem]:
    """Up to `count` labelled training images, spread over all."""
    return few_labelled(data.source.train, count)[:count]


def require_labels(data: TrainingData, why: str) -> None:
    """Refuse data without any ground truth.

    Raises:
        DataError: not one training image, or not one val image, has depth.
    """
    for split, name in (("train", "training"), ("val", "val")):
        if not data.source.labelled(split):  # type: ignore[arg-type]
            raise DataError(f"{data.source.root}: its {name} images have no depth, and {why}")


def student_architecture(config: StudentConfig, data: TrainingData) -> StudentArchitecture:
    """The architecture a configuration asks for.

    Raises:
        StudentError: no such backbone.
    """
    return StudentArchitecture(
        backbone=timm_name(config.student),
        min_depth=data.min_depth,
        max_depth=data.max_depth,
        working_size=data.working_size,
        lg_conv=config.lg_conv,
        decoder_channels=config.decoder_channels,
        bins=config.bins,
        output_kind=data.output_kind,
    )
