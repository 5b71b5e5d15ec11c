"""How a run's models are scored on its val images: against ground truth, or a teacher's depth where none has any."""

from __future__ import annotations

import torch
from torch import nn

from disdepth_cli.config.types import Precision
from disdepth_cli.evaluation.protocols import Protocol
from disdepth_cli.machine.devices import score_precision, teacher_precision
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher, ghost_size
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.scoring.open_model import teacher_predictor
from disdepth_cli.scoring.score import Scores, TeacherTruth, score_split, val_items
from disdepth_cli.scoring.teacher_inputs import origins_of
from disdepth_cli.training.data import TrainingData


class Validation:
    """Scores models on the val images of a run."""

    def __init__(self, data: TrainingData, device: torch.device, precision: Precision) -> None:
        """precision: as the option says."""
        self.data, self.device = data, device
        self.precision, self.teacher_precision = (
            score_precision(precision, device),
            teacher_precision(precision, device),
        )
        self.truth: TeacherTruth | None = None
        self._whose = ""

    def score_against(self, teacher: DepthPredictor, whose: str) -> None:
        """Take a teacher's depth for ground truth, where no val image has any. whose: `the teacher's`, in words."""
        self.truth, self._whose = TeacherTruth(teacher), whose

    @property
    def scored_against(self) -> str:
        """In words, for the report."""
        noun = "disparity" if self.data.output_kind == "disparity" else "depth"
        return "ground truth" if self.truth is None else f"{self._whose} {noun}"

    @property
    def better(self) -> str:
        """The metric that chooses the best checkpoint."""
        no_metres = self.truth is not None and self.data.output_kind == "disparity"
        return "disparity_error" if no_metres else "rmse"

    def predictor(self, model: nn.Module) -> DepthPredictor:
        """A student, or a teacher through its ghost decoder, as the val images are given to it.

        Both get images by the student's resize rule; the ghost gets them without padding.
        """
        data, acclimated = self.data, isinstance(model, AcclimatedTeacher)
        return DepthPredictor(
            model,
            ghost_size(data.working_size) if acclimated else data.working_size,
            data.output_kind,
            data.max_depth,
            self.device,
            self.precision,
            origins=origins_of([model.teacher]) if isinstance(model, AcclimatedTeacher) else None,
        )

    def own_depth(self, acclimated: AcclimatedTeacher) -> DepthPredictor:
        """A teacher's own depth, at its precision in training; an encoder has none, and the ghost's stands for it."""
        if acclimated.teacher.contract.kind == "none":
            return self.predictor(acclimated)
        return teacher_predictor(acclimated.teacher, self.device, self.teacher_precision)

    def metrics(self, predictor: DepthPredictor, protocol: Protocol | None = None) -> dict[str, float]:
        """Mean metrics over the val images; protocol: the data's unless another is given."""
        return self.scores(predictor, protocol).mean.as_dict()

    def scores(self, predictor: DepthPredictor, protocol: Protocol | None = None) -> Scores:
        """Scores of each val image, as `metrics` has their mean."""
        source = self.data.source
        return score_split(
            predictor,
            source,
            val_items(source),
            protocol or self.data.protocol,
            workers=self.data.workers,
            truth=self.truth,
        )
