"""What an acclimation is measured by: the teacher itself, its ghost decoder, and a constant depth beneath both."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from disdepth_cli.config import AcclimateConfig
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import few_labelled
from disdepth_cli.data.files.pair import load_pair
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.protocols import Protocol, for_output, override
from disdepth_cli.machine.devices import score_precision, teacher_precision
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher, ghost_size
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.scoring.open_model import teacher_predictor
from disdepth_cli.scoring.score import TeacherTruth, score_split, val_items
from disdepth_cli.scoring.teacher_inputs import origins_of
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.training.data import TrainingData
from disdepth_cli.types import DepthOutput

CONSTANT_IMAGES = 64  # training images whose depth makes the constant


class AcclimationScores:
    """Scores on the val images of one run."""

    def __init__(
        self, config: AcclimateConfig, data: TrainingData, teacher: DepthTeacher, device: torch.device
    ) -> None:
        self.config, self.data, self.teacher, self.device = config, data, teacher, device
        self.precision = teacher_precision(config.machine.precision, device)

    @property
    def scored_against(self) -> str:
        """In words, for the report."""
        return "ground truth" if self._truth is None else f"the teacher's {self._noun}"

    @property
    def better(self) -> str:
        """The metric that chooses the best checkpoint."""
        no_metres = self._truth is not None and self.data.output_kind == "disparity"
        return "disparity_error" if no_metres else "rmse"

    def whole_images(self) -> DepthPredictor | None:
        """The teacher's own depth of whole images; None for an encoder."""
        if self.teacher.contract.kind == "none":
            return None
        return teacher_predictor(self.teacher, self.device, score_precision(self.config.machine.precision, self.device))

    def of_teacher(self) -> dict[str, float] | None:
        """The teacher's own accuracy, at its own working size; None where nothing can be compared."""
        if self.teacher.contract.kind == "none" or not self.data.source.labelled("val"):
            return None
        predictor = self.whole_images()  # its reputation, at its best
        assert predictor is not None
        return self._metrics(predictor, self.teacher_protocol())

    def teacher_protocol(self) -> Protocol:
        """The data's; a relative teacher is aligned, since its numbers have no scale."""
        kind = self.teacher.contract.kind
        if kind == "metric_depth" or kind == "none":
            return self.data.protocol
        return for_output(override(self.data.protocol, align="scale-shift"), kind)

    def of_ghost(self, acclimated: AcclimatedTeacher) -> dict[str, float]:
        """Accuracy through the ghost decoder, by the student's resize rule, without its padding."""
        return self._metrics(self._predictor(acclimated), self.data.protocol)

    def of_constant(self) -> dict[str, float] | None:
        """One depth everywhere, the median of training depth: whoever is not clearly better has seen nothing."""
        if self.data.output_kind == "disparity" or not self.data.source.labelled("val"):
            return None
        depth = _median_depth(self.data.source)
        return self._metrics(self._predictor(Constant(depth)), self.data.protocol) if depth else None

    @cached_property
    def _truth(self) -> TeacherTruth | None:
        """What stands for ground truth where no val image has any."""
        if self.data.source.labelled("val"):
            return None
        return TeacherTruth(teacher_predictor(self.teacher, self.device, self.precision))

    @property
    def _noun(self) -> str:
        return "disparity" if self.data.output_kind == "disparity" else "depth"

    def _predictor(self, model: nn.Module) -> DepthPredictor:
        data, precision = self.data, score_precision(self.config.machine.precision, self.device)
        size = ghost_size(data.working_size)
        origins = origins_of([self.teacher]) if isinstance(model, AcclimatedTeacher) else None
        return DepthPredictor(model, size, data.output_kind, data.max_depth, self.device, precision, origins=origins)

    def _metrics(self, predictor: DepthPredictor, protocol: Protocol) -> dict[str, float]:
        source = self.data.source
        items, workers = val_items(source), self.data.workers
        return score_split(predictor, source, items, protocol, workers=workers, truth=self._truth).mean.as_dict()


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
