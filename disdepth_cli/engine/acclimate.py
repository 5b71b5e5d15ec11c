"""Acclimate: teach a frozen teacher's features to speak to the student's decoder.

The teacher looks, the feature acclimation module brings what it saw to the student's channels and grid, and the ghost
decoder (a copy of the student's) makes depth of it. Then, with both frozen, attention tokens learn where depth comes
from. Nothing of the teacher changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import nn

from disdepth_cli.checkpoint import CheckpointMetadata, describe, load_acclimation, save_checkpoint
from disdepth_cli.config import AcclimateConfig, build_config
from disdepth_cli.engine.acclimate_steps import AttentionStep, GhostStep
from disdepth_cli.engine.acclimated import ACCLIMATED, AcclimatedTeacher, teacher_record, warn_of_licence
from disdepth_cli.engine.fit import Fit
from disdepth_cli.engine.hardware import channels_last, make_accelerator, student_precision, teacher_precision
from disdepth_cli.engine.inference import DepthPredictor
from disdepth_cli.engine.observers import Observer
from disdepth_cli.engine.open_model import teacher_predictor
from disdepth_cli.engine.preparation import (
    TrainingData,
    decay_groups,
    finish,
    fit_report,
    prepare_data,
    recipe_of,
    require_labels,
    run_observers,
    student_architecture,
)
from disdepth_cli.engine.run import RunFolder
from disdepth_cli.engine.scoring import TeacherTruth, score, val_items
from disdepth_cli.engine.task import FitResult, Schedule, Task
from disdepth_cli.errors import TrainingError
from disdepth_cli.evaluation.protocols import Protocol, for_output, override
from disdepth_cli.models.acclimation import Acclimation
from disdepth_cli.models.student import build_student
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.describe import describe_teacher, with_flops
from disdepth_cli.teachers.teacher import DepthTeacher

ATTENTION_LR = 1e-2
ATTENTION_SEED = 7919  # added to the seed, so that the tokens see other views than the ghost did


def acclimate(
    config: AcclimateConfig | None = None, *, observers: Sequence[Observer] = (), **options: Any
) -> dict[str, Any]:
    """Acclimate a teacher to a student's decoder and write `acclimated.safetensors` into a run folder.

    config, or its fields as keywords. Returns the report: steps, speed, metrics of the teacher itself and through the
    ghost decoder; with `dry_run` the teacher's contract alone.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    config = config or build_config(AcclimateConfig, options)

    def note(line: str) -> None:
        for observer in observers:
            observer.on_note(line)

    if config.dry_run:
        described = describe_teacher(
            config.teacher, revision=config.revision, weights=config.teacher_weights, offline=config.offline
        )
        return {"teacher": dict(line.split(": ", 1) for line in described.lines())}
    teacher = load_teacher(
        config.teacher,
        revision=config.revision,
        weights=config.teacher_weights,
        offline=config.offline,
        announce=note,
    )
    for line in with_flops(teacher).lines():
        note(line)
    warn_of_licence(teacher.contract.id, teacher.contract.licence, observers)
    data = prepare_data(config, observers)
    if teacher.contract.kind != "metric_depth":
        require_labels(data, f"the teacher gives {teacher.contract.kind}, not metres; give labelled images")
    elif not data.source.labelled("train") and config.max_depth is None and teacher.contract.max_depth:
        data = data.in_range(data.min_depth, teacher.contract.max_depth)
    run = RunFolder.open(config, "acclimate", teacher.contract.id)
    return _Acclimation(config, data, teacher, run, observers).report()


class _Acclimation:
    """The story of one run."""

    def __init__(
        self,
        config: AcclimateConfig,
        data: TrainingData,
        teacher: DepthTeacher,
        run: RunFolder,
        observers: Sequence[Observer],
    ) -> None:
        self.config, self.data, self.run, self.observers = config, data, run, observers
        self.accelerator = make_accelerator(config)
        torch.manual_seed(config.seed)
        device = self.accelerator.device
        # The ghost is a copy of the student's decoder, so a student is built; its backbone's weights do not matter.
        self.student = build_student(student_architecture(config, data))
        self.teacher = channels_last(teacher.to(device))
        self.acclimation = channels_last(
            Acclimation(teacher.contract.spec, self.student.decoder, config.attention_tokens).to(device)
        )
        self.precision = teacher_precision(config.precision, device)
        self.file = run.path / ACCLIMATED

    def report(self) -> dict[str, Any]:
        teacher_metrics = self._score_teacher()
        ghost = self._train_ghost()
        attention = self._train_attention()
        metric = self.teacher.contract.kind == "metric_depth"
        ratio = ghost.best["rmse"] / teacher_metrics["rmse"] if teacher_metrics and metric else None
        return finish(
            self.run,
            {
                "teacher": teacher_record(self.teacher).model_dump(mode="json"),
                "protocol": self.data.protocol.as_json(),
                "scored_against": "ground truth" if self._truth is None else "the teacher's depth",
                "teacher_protocol": self._teacher_protocol().as_json(),
                "teacher_metrics": teacher_metrics,
                "ghost_metrics": ghost.best,
                "rmse_ratio_ghost_to_teacher": ratio,
                **fit_report(ghost),
                "attention": fit_report(attention) if attention else None,
            },
        )

    def _score_teacher(self) -> dict[str, float] | None:
        """The teacher's own accuracy, in its own working size; None where nothing can be compared."""
        if self.teacher.contract.kind == "none" or not self.data.source.labelled("val"):
            return None
        precision = student_precision(self.config.precision, self.accelerator.device)  # its reputation, at its best
        return self._metrics(
            teacher_predictor(self.teacher, self.accelerator.device, precision), self._teacher_protocol()
        )

    def _teacher_protocol(self) -> Protocol:
        """The data's; a relative teacher is aligned, since its numbers have no scale."""
        kind = self.teacher.contract.kind
        if kind == "metric_depth" or kind == "none":
            return self.data.protocol
        return for_output(override(self.data.protocol, align="scale-shift"), kind)

    @cached_property
    def _truth(self) -> TeacherTruth | None:
        """What stands for ground truth where no val image has any."""
        return None if self.data.source.labelled("val") else TeacherTruth(self._predictor_of_teacher())

    def _predictor_of_teacher(self) -> DepthPredictor:
        return teacher_predictor(self.teacher, self.accelerator.device, self.precision)

    def _metrics(self, predictor: DepthPredictor, protocol: Protocol) -> dict[str, float]:
        scores = score(
            predictor,
            self.data.source,
            val_items(self.data.source),
            protocol,
            workers=self.config.workers,
            truth=self._truth,
        )
        return scores.mean.as_dict()

    def _validate(self, acclimation: nn.Module) -> dict[str, float]:
        """Accuracy through the ghost decoder, by the student's resize rule."""
        assert isinstance(acclimation, Acclimation)
        model = AcclimatedTeacher(self.teacher, acclimation, self.precision)
        predictor = DepthPredictor(
            model,
            self.data.working_size,
            "metric_depth",
            self.data.max_depth,
            self.accelerator.device,
            student_precision(self.config.precision, self.accelerator.device),
        )
        return self._metrics(predictor, self.data.protocol)

    def _metadata(self, metrics: dict[str, float]) -> CheckpointMetadata:
        return describe(
            "acclimated",
            self.student,
            attention_tokens=self.config.attention_tokens,
            teacher=teacher_record(self.teacher),
            protocol=self.data.protocol.as_json(),
            metrics=metrics,
            recipe=recipe_of(self.config),
        )

    def _train_ghost(self) -> FitResult:
        acclimated = AcclimatedTeacher(self.teacher, self.acclimation, self.precision)
        step = GhostStep(self.acclimation, acclimated, self.config.teacher_loss)
        self.acclimation.attention.requires_grad_(False)
        groups = decay_groups(self.acclimation, self.config.lr, self.config.weight_decay)

        def save(model: nn.Module, metrics: dict[str, float], step: int) -> None:
            save_checkpoint(self.file, model.state_dict(), self._metadata(metrics))

        schedule = Schedule.plan(self.config, self.data.batches_per_epoch(self.config, self.accelerator.num_processes))
        task = Task(step, self.acclimation, groups, self._batches(0), self._validate, save)
        return self._fit(task, self.config, schedule, self.run)

    def _train_attention(self) -> FitResult | None:
        """The tokens, with the best acclimation and its ghost frozen."""
        if not self.config.attention_steps:
            return None
        if not self.file.is_file():
            raise TrainingError(f"{self.run.path}: the ghost decoder never gave a finite depth; lower --lr")
        best, metadata = load_acclimation(self.file)
        acclimation = channels_last(best.to(self.accelerator.device))
        acclimation.attention.requires_grad_(True)
        step = AttentionStep(
            acclimation, AcclimatedTeacher(self.teacher, acclimation, self.precision), self.config.attention_diversity
        )
        config = self.config.model_copy(update={"max_steps": self.config.attention_steps, "ema": 0.0})
        schedule = Schedule(self.config.attention_steps, self.config.attention_steps)

        def save(model: nn.Module, metrics: dict[str, float], step: int) -> None:
            save_checkpoint(self.file, acclimation.state_dict(), metadata)

        task = Task(
            step,
            acclimation.attention,
            decay_groups(acclimation.attention, ATTENTION_LR, 0.0),
            self._batches(ATTENTION_SEED),
            lambda _: {"rmse": metadata.metrics["rmse"]},  # frozen: the ghost's accuracy is what it was
            save,
        )
        return self._fit(task, config, schedule, self.run.phase("attention"))

    def _fit(self, task: Task, config: AcclimateConfig, schedule: Schedule, run: RunFolder) -> FitResult:
        observers = run_observers(run, self.observers)
        return Fit(task, config, schedule, run, observers, self.accelerator).run_to_the_end()

    def _batches(self, offset: int) -> Any:
        accelerator = self.accelerator
        return self.data.batches(
            self.config, accelerator.process_index, accelerator.num_processes, self.config.seed + offset
        )
