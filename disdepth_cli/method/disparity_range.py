"""The fixed range of a relative teacher's disparity: what becomes 0 and 1 for a student of disparity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.types import StoredBatch

VIEWS = 32
FAR, NEAR = 1.0, 99.0  # percentiles over all views
HEADROOM = 1.25  # nearer things than these views show must fit in too
SAMPLES = 4096  # pixels kept of a view


@torch.no_grad()
def measure_disparity_range(teacher: DepthTeacher, batches: Iterator[StoredBatch]) -> tuple[float, float]:
    """(low, high) of a teacher's disparity over the first views of a run; one range for all images and for good.

    One range keeps what the teacher says across images, and is the student's scale anchor. low is 0 unless the
    teacher gives negative disparity.

    Raises:
        TeacherError: the teacher gives one and the same number, or nothing finite.
    """
    values: list[np.ndarray] = []
    for batch in batches:
        if len(batch):
            moved = batch.to(teacher.mean.device)
            depth = teacher(moved.image, moved.origin).depth
            assert depth is not None
            flat = depth.flatten(1).cpu().numpy()
            values += list(flat[:, :: max(flat.shape[1] // SAMPLES, 1)])
        if len(values) >= VIEWS:
            break
    seen = np.concatenate(values) if values else np.empty(0)
    seen = seen[np.isfinite(seen)]
    far, near = np.percentile(seen, [FAR, NEAR]) if seen.size else (0.0, 0.0)
    if not near > far:
        raise TeacherError(
            f"{teacher.contract.id}: gives the same disparity ({near:.4g}) everywhere on {len(values)} training views; "
            "there is nothing to be learned from it"
        )
    low = min(float(far), 0.0)
    return low, low + (float(near) - low) * HEADROOM
