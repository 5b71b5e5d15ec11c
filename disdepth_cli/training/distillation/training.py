"""Distill: train the student on depth, on the ghost decoder's depth, and on the acclimated features.

Teacher, acclimation, masks and ghost are frozen: no gradient reaches them, and nothing of them is in the student's
file. Without teachers it is the control: the same student, data, steps and seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from disdepth_cli.checkpoint.locate import DISTILLED, STUDENT
from disdepth_cli.checkpoint.metadata import CheckpointMetadata, TeacherRecord, save_checkpoint
from disdepth_cli.config import DistillConfig
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.method.student_projections import folded
from disdepth_cli.method.student_start import StudentStart
from disdepth_cli.method.teacher_cache import TeacherCache
from disdepth_cli.models.student import DepthStudent, load_student
from disdepth_cli.training.distillation.teachers import FoundTeachers
from disdepth_cli.training.live_page import RunPage
from disdepth_cli.training.loop.task import LoopResult, Task, decay_groups, student_groups
from disdepth_cli.training.report import recipe_of
from disdepth_cli.training.session import Session
from disdepth_cli.training.validation import Validation

PRETRAINED_SHARE = 0.3  # of the learning rate, for a pretrained backbone; 0.1 was too slow for ten epochs


@dataclass
class DistillationTraining:
    """Trains a student with its acclimated teachers, or a control without any.

    student: before training, on the run's device. start: what it began from. cache: keeps what frozen teachers give.
    baselines: what it is shown beside, see `baselines_of`. page: the run's. init: the header of the student that it
    started from, None where there is none.
    """

    config: DistillConfig
    session: Session
    student: DepthStudent
    start: StudentStart
    teachers: FoundTeachers
    val: Validation
    cache: TeacherCache | None
    baselines: dict[str, dict[str, Any]]
    page: RunPage
    init: CheckpointMetadata | None = None

    def train(self) -> LoopResult:
        """Train it to the end; the best one lies in the run folder."""
        result = self.session.train(self.task(), page=self.page)
        self.page.catch_up(lambda: self.val.predictor(load_student(self.session.run.path)))
        return result

    def task(self) -> Task:
        """What the loop is given."""
        loop, data, device = self.config.loop, self.session.data, self.session.device
        acclimated = self.teachers.acclimated
        step = DistillStep(
            self.student,
            [one.with_cache(self.cache) for one in acclimated],
            self.config.method,
            self.start,
            log_shares=data.source.counts()[1] > 0,
            frame=data.frame_share(),
        ).to(device)
        backbone_lr = loop.backbone_lr or (loop.lr if self.start.random else PRETRAINED_SHARE * loop.lr)
        groups = student_groups(self.student, loop.lr, backbone_lr, loop.weight_decay)
        groups += decay_groups(step.features, loop.lr, loop.weight_decay)
        batches = self.session.batches(labelled_only=not acclimated)
        return Task(
            step, self.student, groups, batches, self._validate, self._save, self.val.better,
            before_step=step.before_step,
        )  # fmt: skip

    def _validate(self, student: nn.Module) -> dict[str, float]:
        predictor = self.val.predictor(student)
        scores = self.val.scores(predictor)
        self.page.validated(predictor, scores)
        return scores.mean.as_dict()

    def _save(self, student: nn.Module, metrics: dict[str, float], step: int) -> None:
        assert isinstance(student, DepthStudent)
        records = self._records()
        metadata = student.describe(
            "student",
            teacher=records[0] if records else None,
            more_teachers=tuple(records[1:]),
            protocol=self.session.data.protocol.as_json(),
            metrics=metrics,
            recipe=self._recipe() | {"best_step": step},
        )
        run = self.session.run.path
        save_checkpoint(run / STUDENT, folded(student).state_dict(), metadata)
        (run / DISTILLED).unlink(missing_ok=True)  # of a training before this one

    def _records(self) -> list[TeacherRecord]:
        """The student's teachers, then those of the student that it started from: their licences hold for it too."""
        own, init = self.teachers.records, self.init
        before = [] if init is None else [*([init.teacher] if init.teacher else []), *init.more_teachers]
        return [*own, *(record for record in before if record not in own)]

    def _recipe(self) -> dict[str, Any]:
        """The recipe; what the student's backbone once started from is that of the student before it."""
        recipe = recipe_of(self.config)
        if self.init is None:
            return recipe
        start = {name: self.init.recipe[name] for name in ("pretrained", "student_weights") if name in self.init.recipe}
        return recipe | start | {"init": Path(str(self.config.student.init)).name}
