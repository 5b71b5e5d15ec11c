"""What an acclimation is measured by: the teacher itself, its ghost decoder, and a constant depth beneath both."""

from __future__ import annotations

from collections.abc import Callable

import torch

from disdepth_cli.config.types import Precision
from disdepth_cli.evaluation.protocols import Protocol, aligned_where_relative
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.scoring.open_model import teacher_predictor
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.live_page import RunPage
from disdepth_cli.training.validation import Validation


class AcclimationScores:
    """Scores on the val images of one run. page: the run's, which shows them; without a run there is none."""

    def __init__(self, data: TrainingData, teacher: DepthTeacher, device: torch.device, precision: Precision) -> None:
        """precision: as the option says."""
        self.data, self.teacher = data, teacher
        self.val = Validation(data, device, precision)
        self.page: Observer = SILENT
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
        return self.data.protocol if kind == "none" else aligned_where_relative(self.data.protocol, kind)

    def of_ghost(self, acclimated: AcclimatedTeacher) -> dict[str, float]:
        """Accuracy through the ghost decoder."""
        predictor = self.val.predictor(acclimated)
        found = self.val.scores(predictor)
        if isinstance(self.page, RunPage):
            self.page.validated(predictor, found)
        return found.mean.as_dict()

    def show(self, best: Callable[[], AcclimatedTeacher]) -> None:
        """Draw the best model on the page, where what was drawn is older."""
        if isinstance(self.page, RunPage):
            self.page.catch_up(lambda: self.val.predictor(best()))
