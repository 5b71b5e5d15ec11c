"""The data of a training run as batches: which views, in which order, for which process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from disdepth_cli.config import AugmentConfig
from disdepth_cli.config.types import OutputKind
from disdepth_cli.data.batches.loader import (
    TrainBatches,
    TrainDataset,
    batches_per_epoch,
    train_loader,
)
from disdepth_cli.data.batches.order import Order
from disdepth_cli.data.batches.origin import Origins
from disdepth_cli.data.batches.views import TrainView, default_crop
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import blocks_of, only_labelled
from disdepth_cli.data.shards.prefetch import prefetch_of
from disdepth_cli.evaluation.protocols import TEACHER_DISPARITY, Protocol, for_output, override
from disdepth_cli.scoring.teacher_inputs import origins_of_views
from disdepth_cli.teachers import DepthTeacher
from disdepth_cli.types import StoredBatch
from disdepth_cli.working_size import WorkingSize

FRAMED_BORDER, FRAMES = "nyu", 0.5  # a border crop that cuts a white frame away, which whole images then have


@dataclass(frozen=True)
class TrainingData:
    """A data set made ready for training.

    min_depth, max_depth: the range of the student [m]. augment, seed: what the views are drawn by. workers: processes
    that decode; pin_memory: for copies to a GPU.
    """

    source: DataSource
    protocol: Protocol
    working_size: WorkingSize
    min_depth: float
    max_depth: float
    output_kind: OutputKind = "metric_depth"
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    seed: int = 0
    workers: int = 0
    pin_memory: bool = False
    origins: Origins | None = None

    def shown_to(self, teachers: Sequence[DepthTeacher]) -> TrainingData:
        """The same data with what these teachers need of a view beside its pixels.

        Raises:
            DataError: one needs the focal length, or stored depth, of a training image that has none.
        """
        return replace(self, origins=origins_of_views(teachers, self.source))

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

    def batches_per_epoch(self, batch_size: int, world: int) -> int:
        """Batches that one process takes in an epoch."""
        return batches_per_epoch(len(self.source.train), batch_size, world)

    def batches(
        self, batch_size: int, rank: int, world: int, seed: int, labelled_only: bool = False
    ) -> Callable[[int, int], Iterator[StoredBatch]]:
        """(first batch, total batches) -> the batches of a run, the same whenever they are asked for.

        seed: of the order, and of the views unless they have their own. labelled_only: the images without ground truth
        are left out; the others come round more often.
        """
        border, own = self.protocol.training_box, self._view_seed(seed)
        view = TrainView(self.augment, self.crop_size(), self.working_size, border, own, self.min_depth, self.max_depth)
        items, blocks = self.source.items("train"), self.source.train_blocks
        if labelled_only and self.source.counts()[1]:
            items = only_labelled(items)
            blocks = blocks_of(items)
        dataset = TrainDataset(items, self.source, view, self.origins)
        order = Order(blocks or (len(items),), seed, on_window=prefetch_of(items))

        def start(first: int, total: int) -> Iterator[StoredBatch]:
            batches = TrainBatches(order, batch_size, first, total, rank, world)
            return iter(train_loader(dataset, batches, self.workers, pin_memory=self.pin_memory))

        return start

    def crop_size(self) -> tuple[int, int]:
        """(height, width) of the training views."""
        border = self.protocol.training_box
        return self.augment.crop_size or default_crop(self.working_size, border, self._reference())

    def frame_share(self) -> float:
        """Share of the student's views that get a painted frame."""
        if self.augment.frame is not None:
            return self.augment.frame
        return FRAMES if self.protocol.training_border == FRAMED_BORDER else 0.0

    def _view_seed(self, seed: int) -> int:
        """Seed of the views of batches whose order is drawn from `seed`, the run's own or one apart from it.

        Where the number of views is fixed, all that the run draws are the same views.
        """
        first = self.seed if self.augment.seed is None else self.augment.seed
        return first if self.augment.views else first + seed - self.seed

    def _reference(self) -> tuple[int, int]:
        """Size of a typical image: the protocol's own, else one of the working size's shape."""
        height, width = self.working_size.height, self.working_size.width
        return {"nyu": (480, 640), "kb": (375, 1242)}.get(self.protocol.training_border or "", (height, width))
