"""What an acclimation is measured by: the teacher itself, its ghost decoder, and a constant depth beneath both."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from disdepth_cli.config.types import Precision
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import few_labelled
from disdepth_cli.data.files.pair import load_pair
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.protocols import Protocol, for_output, override
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.scoring.open_model import teacher_predictor
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.validation import Validation
from disdepth_cli.types import DepthOutput

CONSTANT_IMAGES = 64  # training images whose depth makes the constant


class AcclimationScores:
    """Scores on the val images of one run."""

    def __init__(self, data: TrainingData, teacher: DepthTeacher, device: torch.device, precision: Precision) -> None:
        """precision: as the option says."""
        self.data, self.teacher = data, teacher
        self.val = Validation(data, device, precision)
        if not data.source.labelled("val"):
            stand_in = teacher_predictor(teacher, device, self.val.teacher_precision)
            self.val.score_against(stand_in, "the teacher's")

    def whole_images(self) -> DepthPredictor | None:
        """The teacher's own depth of whole images; None for an encoder."""
        if self.teacher.contract.kind == "none":
            return None
        return teacher_predictor(self.teacher, self.val.device, self.val.precision)

    def of_teacher(self) -> dict[str, float] | None:
        """The teacher's own accuracy, at its own working size; None where nothing can be compared."""
        predictor = self.whole_images()
        if predictor is None or not self.data.source.labelled("val"):
            return None
        return self.val.metrics(predictor, self.teacher_protocol())

    def teacher_protocol(self) -> Protocol:
        """The data's; a relative teacher is aligned, since its numbers have no scale."""
        kind = self.teacher.contract.kind
        if kind == "metric_depth" or kind == "none":
            return self.data.protocol
        return for_output(override(self.data.protocol, align="scale-shift"), kind)

    def of_ghost(self, acclimated: AcclimatedTeacher) -> dict[str, float]:
        """Accuracy through the ghost decoder."""
        return self.val.metrics(self.val.predictor(acclimated))

    def of_constant(self) -> dict[str, float] | None:
        """One depth everywhere, the median of training depth: a model that is no better has learned nothing."""
        if self.data.output_kind == "disparity" or not self.data.source.labelled("val"):
            return None
        depth = _median_depth(self.data.source)
        return self.val.metrics(self.val.predictor(Constant(depth))) if depth else None


class Constant(nn.Module):
    """The same depth [m] for every pixel of every image."""

    def __init__(self, depth: float) -> None:
        super().__init__()
        self.depth = nn.Parameter(torch.tensor(depth), requires_grad=False)

    def forward(self, image: Tensor) -> DepthOutput:
        return DepthOutput(depth=self.depth.expand(image.shape[0], 1, *image.shape[-2:]), features=[])


def _median_depth(source: DataSource) -> float | None:
    """Median depth [m] over evenly spread training images; None without any valid pixel."""
    values = []
    for item in few_labelled(source.train, CONSTANT_IMAGES):
        try:
            depth = load_pair(item, source)[1]
        except DataError:
            continue
        if depth is not None:
            values.append(depth[depth > 0][::17])
    known = np.concatenate(values) if values else np.empty(0)
    return float(np.median(known)) if known.size else None
