"""Distill: train the student on depth, on the ghost decoder's depth, and on the acclimated features.

Teacher, acclimation, masks and ghost are frozen: no gradient reaches them, and nothing of them is in the student's
file. `distill=False` trains the control: the same student, data, steps and seed without the teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from disdepth_cli.checkpoint import CheckpointMetadata, describe, load_checkpoint, save_checkpoint
from disdepth_cli.config import AcclimateConfig, DistillConfig, build_config
from disdepth_cli.engine.acclimate import acclimate
from disdepth_cli.engine.acclimated import (
    AcclimatedTeacher,
    is_acclimated_run,
    is_finished,
    load_acclimated,
    teacher_record,
    warn_of_licence,
)
from disdepth_cli.engine.cost import model_cost
from disdepth_cli.engine.distill_step import DistillStep
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
from disdepth_cli.engine.run import RunFolder, latest_acclimation, read_config
from disdepth_cli.engine.scoring import TeacherTruth, score, val_items
from disdepth_cli.engine.task import FitResult, Schedule, Task
from disdepth_cli.errors import ConfigError
from disdepth_cli.models.encoder import BackboneStart
from disdepth_cli.models.student import DepthStudent, build_student

PRETRAINED_SHARE = 0.3  # of the learning rate, for a pretrained backbone; 0.1 was too slow for ten epochs


def distill(
    config: DistillConfig | None = None, *, observers: Sequence[Observer] = (), **options: Any
) -> dict[str, Any]:
    """Train a student and write `student.safetensors` into a run folder.

    config, or its fields as keywords. Returns the report: steps, speed, best and final metrics, cost of student and
    teacher.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    config = config or build_config(DistillConfig, options)
    data = prepare_data(config, observers)
    if not config.distill:
        require_labels(data, "the control learns from ground truth alone; give labelled images")
    elif config.teacher is None:  # resolved once, before the run remembers it: a resumed run keeps its teacher
        config = config.model_copy(update={"teacher": str(_latest_teacher(config).absolute())})
        for observer in observers:
            observer.on_note(f"teacher: the latest acclimated run, {config.teacher}")
    run_name = config.student if config.distill else f"{config.student}-control"
    run = RunFolder.open(config, "distill", run_name)
    return _Distillation(config, data, run, observers).report()


class _Distillation:
    """The story of one run."""

    def __init__(
        self, config: DistillConfig, data: TrainingData, run: RunFolder, observers: Sequence[Observer]
    ) -> None:
        self.config, self.data, self.run, self.observers = config, data, run, observers
        self.accelerator = make_accelerator(config)
        device = self.accelerator.device
        self.precision = student_precision(config.precision, device)
        self.teacher_precision = teacher_precision(config.precision, device)
        self.acclimated = self._find_teacher() if config.distill else None
        torch.manual_seed(config.seed)
        start = BackboneStart(config.pretrained, config.student_weights, config.offline)
        student = build_student(student_architecture(config, self.data), start)  # its range may be the teacher's
        if self.acclimated is not None:
            self._start_from_ghost(student)
        self.student = channels_last(student.to(device))

    def report(self) -> dict[str, Any]:
        result = self._train()
        teacher = teacher_record(self.acclimated.teacher).model_dump(mode="json") if self.acclimated else None
        return finish(
            self.run,
            {
                "distilled": self.acclimated is not None,
                "teacher": teacher,
                "protocol": self.data.protocol.as_json(),
                "scored_against": "ground truth" if self._truth is None else "the acclimated teacher's depth",
                **fit_report(result),
                "cost": self._costs(),
            },
        )

    def _train(self) -> FitResult:
        config, accelerator = self.config, self.accelerator
        step = DistillStep(self.student, self.acclimated, config).to(accelerator.device)
        random_start = not config.pretrained and config.student_weights is None
        backbone_lr = config.backbone_lr or (config.lr if random_start else PRETRAINED_SHARE * config.lr)
        groups = self.student.parameter_groups(config.lr, backbone_lr, config.weight_decay)
        for projections in (step.project_encoder, step.project_decoder):
            groups += decay_groups(projections, config.lr, config.weight_decay)
        batches = self.data.batches(config, accelerator.process_index, accelerator.num_processes, config.seed)
        schedule = Schedule.plan(config, self.data.batches_per_epoch(config, accelerator.num_processes))
        task = Task(step, self.student, groups, batches, self._validate, self._save)
        observers = run_observers(self.run, self.observers)
        return Fit(task, config, schedule, self.run, observers, accelerator).run_to_the_end()

    def _find_teacher(self) -> AcclimatedTeacher:
        """The acclimated teacher: the run that was named, or one that is made now from the teacher that was named.

        Raises:
            ConfigError: it is unfinished, or was made for another student.
        """
        config = self.config
        assert config.teacher is not None
        if is_acclimated_run(config.teacher):
            run = Path(config.teacher)
            if not is_finished(run):
                raise ConfigError(f"{run}: is unfinished; go on with: disdepth acclimate --resume -o {run}")
        else:
            run = self._acclimate_first(config.teacher)
        acclimated, metadata = load_acclimated(run, self.teacher_precision, config.offline)
        if metadata.teacher and run == Path(config.teacher):  # an acclimation made just now has warned itself
            warn_of_licence(metadata.teacher.id, metadata.teacher.licence, self.observers)
        if not self.data.source.labelled("train") and config.max_depth is None:
            self.data = self.data.in_range(metadata.min_depth, metadata.max_depth)  # labels are the teacher's
        self._check_fits(run, metadata)
        return acclimated.to(self.accelerator.device)

    def _acclimate_first(self, teacher: str) -> Path:
        run = self.run.path.with_name(f"{self.run.path.name}-teacher")
        if is_finished(run):
            if read_config(run).get("teacher") != teacher:
                raise ConfigError(f"{run}: holds another teacher's acclimation; remove it, or name another -o")
            return run
        self._note(f"{teacher} is not acclimated; doing that first, into {run}")
        own = {"teacher", "epochs", "output", "resume", "max_steps"}
        shared = {name for name in AcclimateConfig.model_fields if name in DistillConfig.model_fields} - own
        options = {name: getattr(self.config, name) for name in shared}
        options |= {"teacher": teacher, "output": run, "resume": (run / "config.yaml").is_file()}
        if self.config.max_steps:
            options |= {"max_steps": self.config.max_steps, "attention_steps": min(self.config.max_steps, 100)}
        acclimate(build_config(AcclimateConfig, options), observers=self.observers)
        return run

    def _check_fits(self, run: Path, metadata: CheckpointMetadata) -> None:
        """The ghost must be a copy of this student's decoder, in the same range.

        Raises:
            ConfigError: it was made for another student.
        """
        mine = student_architecture(self.config, self.data)
        if self.config.output_target == "teacher" and metadata.output_kind_of_teacher != "metric_depth":
            raise ConfigError(
                f"--output-target teacher: the teacher of {run} gives {metadata.output_kind_of_teacher}, not metres; "
                "use ghost"
            )
        for name in ("backbone", "decoder_channels", "bins", "min_depth", "max_depth", "working_size"):
            theirs = getattr(metadata, name)
            if theirs != asdict(mine)[name]:
                raise ConfigError(
                    f"{run}: was acclimated for {name.replace('_', ' ')} {theirs}, not {getattr(mine, name)}; "
                    f"acclimate again with --student {self.config.student} and the same data and options"
                )

    def _start_from_ghost(self, student: DepthStudent) -> None:
        assert self.acclimated is not None
        ghost = self.acclimated.acclimation.ghost
        if self.config.init_decoder == "ghost":
            student.decoder.load_state_dict(ghost.state_dict(), strict=True)

    def _predictor(self, student: nn.Module) -> DepthPredictor:
        return DepthPredictor(
            student,
            self.data.working_size,
            "metric_depth",
            self.data.max_depth,
            self.accelerator.device,
            self.precision,
        )

    def _teacher_predictor(self, acclimated: AcclimatedTeacher) -> DepthPredictor:
        if acclimated.teacher.contract.kind == "none":  # an encoder has no depth of its own: its depth is the ghost's
            return self._predictor(acclimated)
        return teacher_predictor(acclimated.teacher, self.accelerator.device, self.teacher_precision)

    @cached_property
    def _truth(self) -> TeacherTruth | None:
        """What stands for ground truth where no val image has any."""
        if self.acclimated is None or self.data.source.labelled("val"):
            return None
        metric = self.acclimated.teacher.contract.kind == "metric_depth"
        return TeacherTruth(self._teacher_predictor(self.acclimated) if metric else self._predictor(self.acclimated))

    def _validate(self, student: nn.Module) -> dict[str, float]:
        scores = score(
            self._predictor(student),
            self.data.source,
            val_items(self.data.source),
            self.data.protocol,
            workers=self.config.workers,
            truth=self._truth,
        )
        return scores.mean.as_dict()

    def _save(self, student: nn.Module, metrics: dict[str, float], step: int) -> None:
        assert isinstance(student, DepthStudent)
        metadata = describe(
            "student",
            student,
            teacher=teacher_record(self.acclimated.teacher) if self.acclimated else None,
            protocol=self.data.protocol.as_json(),
            metrics=metrics,
            recipe=recipe_of(self.config) | {"best_step": step},
        )
        save_checkpoint(self.run.path / "student.safetensors", student.state_dict(), metadata)

    def _costs(self) -> dict[str, Any]:
        """Parameters, FLOPs and latency of the shipped student, and of the teacher beside it."""
        height, width = self.config.input_size
        shipped, _ = load_checkpoint(self.run.path)
        costs = {"student": model_cost(self._predictor(shipped), height, width).as_dict()}
        if self.acclimated is not None:
            costs["teacher"] = model_cost(self._teacher_predictor(self.acclimated), height, width).as_dict()
        return costs

    def _note(self, message: str) -> None:
        for observer in self.observers:
            observer.on_note(message)


def _latest_teacher(config: DistillConfig) -> Path:
    """The latest acclimated run for this student.

    Raises:
        ConfigError: there is none; the message names the command that makes one.
    """
    run = latest_acclimation(Path("runs"), config.student)
    if run is None:
        raise ConfigError(
            f"no acclimated teacher for {config.student} under runs/; make one with: disdepth acclimate "
            f"--teacher ID --student {config.student} --data {config.data}"
        )
    return run
