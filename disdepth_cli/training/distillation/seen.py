"""What the training images were like, into the finished student's file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from disdepth_cli.checkpoint.metadata import save_checkpoint
from disdepth_cli.data.batches.views import inside
from disdepth_cli.data.files.item import BlockItems, DataItem
from disdepth_cli.data.files.pair import load_pair
from disdepth_cli.data.files.workers import map_ahead
from disdepth_cli.errors import DataError
from disdepth_cli.machine.resources import worker_count
from disdepth_cli.models.student import DepthStudent, load_checkpoint
from disdepth_cli.predictor import channel_means
from disdepth_cli.scoring.baselines import spread
from disdepth_cli.seen_images import SeenImages
from disdepth_cli.training.data import TrainingData
from disdepth_cli.working_size import fit, to_pixels

IMAGES = 100


def add_seen_images(file: Path, data: TrainingData) -> DepthStudent:
    """Write into a student's file what some of its training images were like, as `predict` sees whole images.

    Returns the student, on the CPU.

    Raises:
        CheckpointError: it cannot be read.
        DisdepthError: it cannot be written.
    """
    student, metadata = load_checkpoint(file)
    student.seen = SeenImages.of(means_of(student, data))
    save_checkpoint(file, student.state_dict(), metadata.model_copy(update={"seen": student.seen}))
    return student


@torch.inference_mode()
def means_of(student: DepthStudent, data: TrainingData) -> np.ndarray:
    """(images, channels) of some training images, labelled or not; those that cannot be read are left out."""
    images = map_ahead(partial(_image, data), _some(data.source.train), worker_count(data.workers, student.mean.device))
    size = student.architecture.working_size
    pixels = (torch.from_numpy(to_pixels(fit(image, size)[0])) for image in images if image is not None)
    return np.array([channel_means(student(one).features)[0] for one in pixels])


def _some(items: Sequence[DataItem]) -> Sequence[DataItem]:
    """Items spread over all; of shards the first ones, since these were shuffled and may have to be fetched."""
    if not isinstance(items, BlockItems):
        return spread(items, IMAGES)
    return [items[place] for place in range(min(IMAGES, len(items)))]


def _image(data: TrainingData, item: DataItem) -> np.ndarray | None:
    """The image (H, W, 3) of an item without the border that training views leave out; None: it cannot be read."""
    try:
        image, _ = load_pair(item, data.source)
        box = None if item.extra else data.protocol.training_box
        top, bottom, left, right = inside(box, image.shape[0], image.shape[1])
    except DataError:
        return None
    return image[top:bottom, left:right]
