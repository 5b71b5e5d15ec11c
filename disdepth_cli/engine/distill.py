"""Distill: train the student on depth, on the ghost decoder's depth, and on the acclimated features.

Teacher, acclimation, masks and ghost are frozen: no gradient reaches them, and nothing of them is in the student's
file. `distill=False` trains the control: the same student, data, steps and seed without the teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from disdepth_cli.checkpoint.metadata import CheckpointMetadata, TeacherRecord, describe, save_checkpoint
from disdepth_cli.comparison.arm import check_comparable, check_keep, finished_run
from disdepth_cli.comparison.control import check_control_place, compare_with_control
from disdepth_cli.comparison.keeping import DISTILLED, is_settled, take_back
from disdepth_cli.comparison.sweep import sweep, tell_choice, with_chosen
from disdepth_cli.config import DistillConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.engine.distill_teachers import acclimated_first, find_teachers, resolve_teachers
from disdepth_cli.engine.plan import plan_distill
from disdepth_cli.engine.push import finished_report, push_finished, target_of
from disdepth_cli.machine.devices import channels_last, make_accelerator, student_precision, teacher_precision
from disdepth_cli.machine.join import together
from disdepth_cli.machine.processes import from_main, is_main
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher, ghost_size
from disdepth_cli.method.adapters import folded
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.method.student_start import bring_near, is_random_start, starts_from_ghost
from disdepth_cli.models.encoder import BackboneStart
from disdepth_cli.models.student import DepthStudent, build_student
from disdepth_cli.observer import Observer, Unrepeated
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.scoring.open_model import open_student, teacher_predictor
from disdepth_cli.scoring.score import TeacherTruth, score_split, val_items
from disdepth_cli.timing.budget import check_budget
from disdepth_cli.timing.cost import model_costs
from disdepth_cli.training.data import TrainingData, prepare_data, require_labels, student_architecture
from disdepth_cli.training.loop import Fit
from disdepth_cli.training.report import finish, fit_report, recipe_of, rewrite, run_observers
from disdepth_cli.training.task import FitResult, Schedule, Task, decay_groups
from disdepth_cli.training.teacher_cache import open_memory, replay_report

PRETRAINED_SHARE = 0.3  # of the learning rate, for a pretrained backbone; 0.1 was too slow for ten epochs


def distill(
    config: DistillConfig | None = None, *, observers: Sequence[Observer] = (), **options: Any
) -> dict[str, Any]:
    """Train a student and write `student.safetensors` into a run folder.

    config, or its fields as keywords. Returns the report: steps, speed, best and final metrics, cost of student and
    teacher; with `control` also `control` and `gain`, what distillation has over the same training without a teacher;
    with `sweep` also `sweep`, the loss weights that were tried and the ones that were taken;
    with `push_to_hub` also `push`, what was sent (a finished run that is resumed with it is only pushed); with
    `dry_run` only `plan`, what would be done.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    config = config or build_config(DistillConfig, options)
    check_keep(config)
    if config.dry_run:
        return plan_distill(resolve_teachers(config, observers), observers)
    with together(config, observers) as observers:
        if config.push_to_hub is not None:
            from_main(partial(target_of(config).check, config.offline))  # now, not after hours
        report = finished_report(config)
        if report is None or not is_settled(Path(report["run"]), report, config.control, config.keep):
            report = _train(config, observers)
        if config.push_to_hub is not None and is_main():  # nobody waits for an upload
            report["push"] = push_finished(config, Path(report["run"]), observers)
        return report


def _train(config: DistillConfig, observers: Sequence[Observer]) -> dict[str, Any]:
    """A run, and what it is compared with."""
    if config.budget is not None:
        known = from_main(partial(check_budget, config))
        for observer in observers:
            observer.on_note(f"within the budget of {config.budget:g} ms: {known}")
    data = prepare_data(config, observers)
    check_comparable(config, data)
    if not (config.control or config.sweep):
        alone = _train_alone(config, data, observers)
        if config.distill:  # a finished run may have had a control before
            from_main(lambda: take_back(Path(alone["run"])))
        _doubt(alone, observers)
        return alone
    observers = [Unrepeated(observer) for observer in observers]
    config = resolve_teachers(config, observers)
    run = RunFolder.open(config, "distill", config.student)
    if config.control:
        check_control_place(config, run.path)
    report: dict[str, Any] | None = from_main(lambda: finished_run(run.path))
    if report is None:
        report = _train_chosen(config, data, run, observers)
    if config.control:
        report |= compare_with_control(config, data, run, _train_alone, observers)
    else:
        from_main(lambda: take_back(run.path))
        report = {name: value for name, value in report.items() if name not in ("control", "gain", "kept")}
        _doubt(report, observers)
    return rewrite(run, report)


def _train_chosen(
    config: DistillConfig, data: TrainingData, run: RunFolder, observers: Sequence[Observer]
) -> dict[str, Any]:
    """The run itself, after the sweep that chooses its loss weights where one was asked for."""
    if not config.sweep:
        return _Distillation(config, data, run, observers).report()
    swept = sweep(config, data, run, lambda: acclimated_first(config, run, observers), _train_alone, observers)
    tell_choice(swept, observers)
    return _Distillation(with_chosen(config, swept), data, run, observers, {"sweep": swept}).report()


def _train_alone(config: DistillConfig, data: TrainingData, observers: Sequence[Observer]) -> dict[str, Any]:
    """One run: a student with its teacher, or a control."""
    if not config.distill:
        require_labels(data, "the control learns from ground truth alone; give labelled images")
        if data.source.counts()[1]:
            for observer in observers:
                observer.on_note("control: it takes as many steps, all of them on the labelled images")
    config = resolve_teachers(config, observers)
    run_name = config.student if config.distill else f"{config.student}-control"
    run = RunFolder.open(config, "distill", run_name)
    return _Distillation(config, data, run, observers).report()


def _doubt(report: dict[str, Any], observers: Sequence[Observer]) -> None:
    """Say so when the student has passed its teacher: it may be better off without."""
    theirs = (report["ghost_metrics"] or {}).get("rmse") if report["scored_against"] == "ground truth" else None
    if theirs is not None and report["best"] and report["best"]["rmse"] < theirs:
        for observer in observers:
            observer.on_warning(
                f"the student's RMSE {report['best']['rmse']:.3f} is below its teacher's through the ghost decoder, "
                f"{theirs:.3f}: see whether this teacher helps at all with --resume -o {report['run']} --control"
            )


class _Distillation:
    """The story of one run."""

    def __init__(
        self,
        config: DistillConfig,
        data: TrainingData,
        run: RunFolder,
        observers: Sequence[Observer],
        known: dict[str, Any] | None = None,
    ) -> None:
        """known: what else belongs into the report."""
        self.known = known or {}
        self.config, self.data, self.run, self.observers = config, data, run, observers
        self.accelerator = make_accelerator(config)
        device = self.accelerator.device
        self.precision = student_precision(config.precision, device)
        self.teacher_precision = teacher_precision(config.precision, device)
        self.acclimated: list[AcclimatedTeacher] = []
        self.found: list[CheckpointMetadata] = []
        if config.distill:
            found = find_teachers(config, data, run, device, self.teacher_precision, observers)
            self.acclimated, self.found, self.data = found.acclimated, found.metadata, found.data
        self.memory = open_memory(config, self.data, [one.teacher for one in self.acclimated], observers)
        torch.manual_seed(config.seed)
        start = BackboneStart(config.pretrained, config.student_weights, config.offline)
        student = build_student(student_architecture(config, self.data), start)  # its range may be the teacher's
        if self.acclimated and starts_from_ghost(config):
            student.decoder.load_state_dict(self.acclimated[0].acclimation.ghost.state_dict(), strict=True)
        self.student = channels_last(student.to(device))
        if self.acclimated:
            first = self.data.batches(config, 0, 1, config.seed)  # the same in every process
            epoch = self.data.batches_per_epoch(config, 1)
            teacher, goes_on = self.acclimated[0].remembering(self.memory), run.state_file.is_file()
            bring_near(self.student, teacher, lambda most: first(0, min(most, epoch)), config, goes_on, observers)

    def report(self) -> dict[str, Any]:
        result = self._train()
        records = [record.model_dump(mode="json") for record in self._records()]
        labelled, without = self.data.source.counts()
        return finish(
            self.run,
            {
                "distilled": bool(self.acclimated),
                "teacher": records[0] if records else None,
                "teachers": records,
                "ghost_metrics": self.found[0].metrics if self.found else None,
                "output_kind": self.data.output_kind,
                "images": {"labelled": labelled, "unlabelled": without if self.acclimated else 0},
                "protocol": self.data.protocol.as_json(),
                "scored_against": "ground truth" if self._truth is None else f"the acclimated teacher's {self._noun}",
                **fit_report(result),
                "cost": from_main(self._costs),
                **self.known,
                "teacher_cache": replay_report(self.memory, self.observers),
            },
        )

    @property
    def _noun(self) -> str:
        return "disparity" if self.data.output_kind == "disparity" else "depth"

    def _records(self) -> list[TeacherRecord]:
        return [found.teacher for found in self.found if found.teacher is not None]

    def _train(self) -> FitResult:
        config, accelerator = self.config, self.accelerator
        mixed = self.data.source.counts()[1] > 0
        teachers = [acclimated.remembering(self.memory) for acclimated in self.acclimated]
        frame = self.data.frame_share(config)
        step = DistillStep(self.student, teachers, config, log_shares=mixed, frame=frame).to(accelerator.device)
        backbone_lr = config.backbone_lr or (config.lr if is_random_start(config) else PRETRAINED_SHARE * config.lr)
        groups = self.student.parameter_groups(config.lr, backbone_lr, config.weight_decay)
        groups += decay_groups(step.features, config.lr, config.weight_decay)
        batches = self.data.batches(
            config, accelerator.process_index, accelerator.num_processes, config.seed, labelled_only=not self.acclimated
        )
        schedule = Schedule.plan(config, self.data.batches_per_epoch(config, accelerator.num_processes))
        no_metres = self._truth is not None and self.data.output_kind == "disparity"
        better = "disparity_error" if no_metres else "rmse"
        task = Task(
            step, self.student, groups, batches, self._validate, self._save, better, before_step=step.before_step
        )
        observers = run_observers(self.run, self.observers)
        return Fit(task, config, schedule, self.run, observers, accelerator).run_to_the_end()

    def _predictor(self, model: nn.Module) -> DepthPredictor:
        size = self.data.working_size
        return DepthPredictor(
            model,
            ghost_size(size) if isinstance(model, AcclimatedTeacher) else size,
            self.data.output_kind,
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
        if not self.acclimated or self.data.source.labelled("val"):
            return None
        first = self.acclimated[0]
        return TeacherTruth(self._teacher_predictor(first) if first.is_of_students_kind else self._predictor(first))

    def _validate(self, student: nn.Module) -> dict[str, float]:
        scores = score_split(
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
        records = self._records()
        metadata = describe(
            "student",
            student,
            teacher=records[0] if records else None,
            more_teachers=tuple(records[1:]),
            protocol=self.data.protocol.as_json(),
            metrics=metrics,
            recipe=recipe_of(self.config) | {"best_step": step},
        )
        save_checkpoint(self.run.path / "student.safetensors", folded(student).state_dict(), metadata)
        (self.run.path / DISTILLED).unlink(missing_ok=True)  # of a training before this one

    def _costs(self) -> dict[str, Any]:
        """Parameters, FLOPs and latency of the shipped student, and of the teacher beside it."""
        height, width = self.config.input_size
        models = {"student": open_student(self.run.path, str(self.accelerator.device), self.config.precision)}
        if self.acclimated:
            models["teacher"] = self._teacher_predictor(self.acclimated[0])
        return {name: cost.as_dict() for name, cost in model_costs(models, height, width).items()}
