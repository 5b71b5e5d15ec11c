"""Acclimate: teach a teacher's features to speak to the student's decoder.

The feature acclimation module brings a teacher's features to the student's channels and grid, and the ghost decoder (a
copy of the student's decoder) makes depth of them. Then both are frozen, and attention tokens learn where depth comes
from. The teacher stays as it is unless it is trained along; its own decoder then keeps its accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from disdepth_cli.config import AcclimateConfig
from disdepth_cli.errors import TrainingError
from disdepth_cli.machine.devices import channels_last
from disdepth_cli.machine.processes import from_main
from disdepth_cli.method.acclimate_steps import AttentionStep, GhostStep
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.method.teacher_cache import TeacherCache
from disdepth_cli.runs.metrics_table import MetricsTable
from disdepth_cli.teachers.tuning import load_trained, unfreeze
from disdepth_cli.training.acclimation.file import AcclimatedFile
from disdepth_cli.training.acclimation.scores import AcclimationScores
from disdepth_cli.training.loop.task import LoopResult, Schedule, Task, decay_groups
from disdepth_cli.training.session import Session

ATTENTION_LR = 1e-2
ATTENTION_SEED = 7919  # added to the seed, so that the tokens see other views than the ghost did


@dataclass
class AcclimationTraining:
    """Trains the acclimation of a teacher for a student's decoder: first the ghost, then the attention tokens.

    acclimated: the teacher with its acclimation, before training. file: where the best one is written. cache: keeps
    what a frozen teacher gives for training views.
    """

    config: AcclimateConfig
    session: Session
    acclimated: AcclimatedTeacher
    scores: AcclimationScores
    file: AcclimatedFile
    cache: TeacherCache | None

    def depth_alone(self) -> LoopResult:
        """Write and score a teacher whose own depth the student will imitate: there is nothing to train."""
        own, run, observer = self.scores.of_ghost(self.acclimated), self.session.run, self.session.observer
        name = self.acclimated.teacher.contract.id
        observer.on_note(f"{name}: gives depth and no features: there is nothing to acclimate")

        def write() -> None:
            MetricsTable(run.metrics_file, 0, observer.on_warning).add(0, 0, "val", own)
            self.file.save(self.acclimated, self.acclimated.acclimation, own)

        from_main(write)
        self.scores.show(lambda: self.acclimated)
        return LoopResult(own, 0, own, 0, 0.0, 0.0)

    def train_ghost(self) -> LoopResult:
        """Train the feature acclimation and the ghost decoder, and the teacher where the options say so."""
        result = self.session.train(self.ghost_task(), page=self.scores.page)
        self.scores.show(self._best)
        return result

    def ghost_task(self) -> Task:
        """What the loop is given for it."""
        config, teacher = self.config, self.acclimated.teacher
        acclimated = self.acclimated.with_cache(self.cache)
        acclimation = acclimated.acclimation
        unfreeze(teacher, config.teacher.train)
        if config.machine.compile:
            acclimation.compile()
            if teacher.frozen:
                acclimated.compile_teacher()
        step = GhostStep(
            acclimation,
            acclimated,
            config.method.teacher_loss,
            anchor_weight=config.method.anchor_weight,
            own_weight=config.teacher.own_loss,
            log_shares=self.session.data.source.counts()[1] > 0,
        )
        acclimation.attention.requires_grad_(False)
        groups = decay_groups(acclimation, config.loop.lr, config.loop.weight_decay)
        if teacher.learns:
            groups += decay_groups(teacher, config.teacher.lr, config.loop.weight_decay)
        model = acclimated if teacher.learns else acclimation
        task = Task(step, model, groups, self._batches(0), self._validate, self._save, better=self.scores.val.better)
        task.partly_used = teacher.learns  # no loss reaches a mask token, or a decoder whose weight is 0
        return task

    def best_teacher(self) -> dict[str, float] | None:
        """Load the best weights of a teacher that was trained along, and freeze it; its own accuracy now."""
        teacher = self.acclimated.teacher
        self._check_best()
        load_trained(teacher, self.file.teacher_weights())
        teacher.freeze()
        return self.scores.of_teacher()

    def train_attention(self) -> LoopResult | None:
        """Train the tokens with the best acclimation and its ghost frozen; None where no steps are asked for."""
        method = self.config.method
        if not method.attention_steps:
            return None
        self._check_best()
        best, metadata = self.file.load()
        acclimation = channels_last(best.to(self.session.device))
        acclimation.attention.requires_grad_(True)
        step = AttentionStep(
            acclimation,
            self.acclimated.with_acclimation(acclimation).with_cache(self.cache),
            method.attention_diversity,
        )

        def save(model: nn.Module, metrics: dict[str, float], step: int) -> None:
            self.file.save_attention(acclimation)

        task = Task(
            step,
            acclimation.attention,
            decay_groups(acclimation.attention, ATTENTION_LR, 0.0),
            self._batches(ATTENTION_SEED),
            lambda _: metadata.metrics,  # frozen: the ghost's accuracy is what it was
            save,
            better=self.scores.val.better,
        )
        loop = self.config.loop.model_copy(update={"max_steps": method.attention_steps, "ema": 0.0})
        schedule = Schedule(method.attention_steps, method.attention_steps)
        return self.session.train(task, schedule, loop, self.session.run.phase("attention"))

    def _validate(self, model: nn.Module) -> dict[str, float]:
        """Scores of the averaged acclimation, with the averaged teacher where that learns."""
        if isinstance(model, Acclimation):
            model = self.acclimated.with_acclimation(model)
        assert isinstance(model, AcclimatedTeacher)
        return self.scores.of_ghost(model)

    def _best(self) -> AcclimatedTeacher:
        """The best acclimation; a teacher that was trained along is as it is now."""
        return self.acclimated.with_acclimation(channels_last(self.file.load()[0].to(self.session.device)))

    def _save(self, model: nn.Module, metrics: dict[str, float], step: int) -> None:
        self.file.save(self.acclimated, model, metrics)

    def _check_best(self) -> None:
        if not self.file.path.is_file():
            raise TrainingError(f"{self.session.run.path}: the ghost decoder never gave a finite depth; lower --lr")

    def _batches(self, offset: int) -> Any:
        return self.session.batches(offset, labelled_only=self.acclimated.teacher.contract.kind == "none")
