"""Distill: train the student on depth, on the ghost decoder's depth, and on the acclimated features.

Teacher, acclimation, masks and ghost are frozen: no gradient reaches them, and nothing of them is in the student's
file. `distill=False` trains the control: the same student, data, steps and seed without the teacher.
"""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from disdepth_cli.checkpoint.locate import DISTILLED
from disdepth_cli.checkpoint.metadata import CheckpointMetadata, TeacherRecord, save_checkpoint
from disdepth_cli.comparison.arm import check_comparable, check_keep, finished_run
from disdepth_cli.comparison.control import check_control_place, compare_with_control
from disdepth_cli.comparison.keeping import is_settled, take_back
from disdepth_cli.comparison.sweep import sweep, tell_choice, with_chosen
from disdepth_cli.config import DistillConfig
from disdepth_cli.data.sets.entries import entries_of
from disdepth_cli.engine.distill_teachers import acclimated_first, as_they_can_teach, find_teachers, resolve_teachers
from disdepth_cli.engine.plan import plan_distill
from disdepth_cli.engine.push import finished_report, push_finished, target_of
from disdepth_cli.machine.devices import channels_last, make_accelerator, score_precision, teacher_precision
from disdepth_cli.machine.join import together
from disdepth_cli.machine.processes import from_main, is_main
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher, ghost_size
from disdepth_cli.method.adapters import folded
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.method.student_start import StudentStart, bring_near
from disdepth_cli.models.encoder import BackboneStart
from disdepth_cli.models.student import DepthStudent, build_student, load_student
from disdepth_cli.observer import SILENT, Observer, Unrepeated
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.results.training import DistillPlan, DistillReport
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.scoring.cost import model_cost
from disdepth_cli.scoring.open_model import teacher_predictor
from disdepth_cli.scoring.score import TeacherTruth, score_split, val_items
from disdepth_cli.scoring.teacher_inputs import origins_of
from disdepth_cli.training.came_through import doubt_teacher, measured, with_control
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.loop import Fit
from disdepth_cli.training.prepare import prepare_data, require_labels, student_architecture
from disdepth_cli.training.report import finish, fit_report, recipe_of, rewrite, run_observers
from disdepth_cli.training.task import FitResult, Schedule, Task, decay_groups, student_groups
from disdepth_cli.training.teacher_cache import open_memory, replay_report

PRETRAINED_SHARE = 0.3  # of the learning rate, for a pretrained backbone; 0.1 was too slow for ten epochs


def distill(config: DistillConfig, observer: Observer = SILENT) -> DistillReport | DistillPlan:
    """Train a student and write `student.safetensors` into a run folder.

    With `dry_run` nothing is trained: the result is what would be done. A finished run that is resumed with
    `push_to_hub` is only pushed.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    check_keep(config)
    if config.run.dry_run:
        return DistillPlan(plan_distill(resolve_teachers(config, observer), observer))
    with together(config, observer) as observer:
        if config.hub.push_to_hub is not None:
            from_main(partial(target_of(config).check, config.machine.offline))  # now, not after hours
        report = finished_report(config)
        if report is None or not is_settled(Path(report["run"]), report, config.compare.control, config.compare.keep):
            report = _train(config, observer)
        if config.hub.push_to_hub is not None and is_main():  # nobody waits for an upload
            report["push"] = push_finished(config, Path(report["run"]), observer).as_dict()
        return DistillReport.of(report)


def _train(config: DistillConfig, observer: Observer) -> dict[str, Any]:
    """A run, and what it is compared with."""
    data = prepare_data(config, observer)
    check_comparable(config, data)
    if not (config.compare.control or config.compare.sweep):
        alone = _train_alone(config, data, observer)
        if config.method.distill:  # a finished run may have had a control before
            from_main(lambda: take_back(Path(alone["run"])))
        doubt_teacher(alone, observer)
        return alone
    observer = Unrepeated(observer)
    config = resolve_teachers(config, observer)
    run = RunFolder.open(config, "distill", config.student.backbone, entries_of(data.source))
    if config.compare.control:
        check_control_place(config, run.path)
    report: dict[str, Any] | None = from_main(lambda: finished_run(run.path))
    if report is None:
        report = _train_chosen(config, data, run, observer)
    if config.compare.control:
        report |= compare_with_control(config, data, run, _train_alone, observer)
        report["came_through"] = with_control(report)
    else:
        from_main(lambda: take_back(run.path))
        report = {name: value for name, value in report.items() if name not in ("control", "gain", "kept")}
        doubt_teacher(report, observer)
    return rewrite(run, report)


def _train_chosen(config: DistillConfig, data: TrainingData, run: RunFolder, observer: Observer) -> dict[str, Any]:
    """The run itself, after the sweep that chooses its loss weights where one was asked for."""
    if not config.compare.sweep:
        return _Distillation(config, data, run, observer).report()
    swept = sweep(config, data, run, lambda: acclimated_first(config, run, observer), _train_alone, observer)
    tell_choice(swept, observer)
    return _Distillation(with_chosen(config, swept), data, run, observer, {"sweep": swept}).report()


def _train_alone(config: DistillConfig, data: TrainingData, observer: Observer) -> dict[str, Any]:
    """One run: a student with its teacher, or a control."""
    if not config.method.distill:
        require_labels(data, "the control learns from ground truth alone; give labelled images")
        if data.source.counts()[1]:
            observer.on_note("control: it takes as many steps, all of them on the labelled images")
    config = resolve_teachers(config, observer)
    run_name = config.student.backbone if config.method.distill else f"{config.student.backbone}-control"
    run = RunFolder.open(config, "distill", run_name, entries_of(data.source))
    return _Distillation(config, data, run, observer).report()


class _Distillation:
    """The story of one run."""

    def __init__(
        self,
        config: DistillConfig,
        data: TrainingData,
        run: RunFolder,
        observer: Observer,
        known: dict[str, Any] | None = None,
    ) -> None:
        """known: what else belongs into the report."""
        self.known = known or {}
        self.config, self.data, self.run, self.observer = config, data, run, observer
        self.accelerator = make_accelerator(config.machine)
        device = self.accelerator.device
        self.precision = score_precision(config.machine.precision, device)
        self.teacher_precision = teacher_precision(config.machine.precision, device)
        self.acclimated: list[AcclimatedTeacher] = []
        self.found: list[CheckpointMetadata] = []
        if config.method.distill:
            found = find_teachers(config, data, run, device, self.teacher_precision, observer)
            self.acclimated, self.found, self.data = found.acclimated, found.metadata, found.data
            self.own_metrics = found.own_metrics
            self.data = self.data.shown_to([one.teacher for one in self.acclimated])
            self.config = config = as_they_can_teach(config, self.acclimated, observer)
        self.memory = open_memory(config, self.data, [one.teacher for one in self.acclimated], observer)
        torch.manual_seed(config.loop.seed)
        start = BackboneStart(config.student.pretrained, config.student.weights, config.machine.offline)
        student = build_student(student_architecture(config.student, self.data), start)  # range: perhaps the teacher's
        self.start = StudentStart.of(config.student, config.method)
        if self.acclimated and self.start.from_ghost:
            student.decoder.load_state_dict(self.acclimated[0].acclimation.ghost.state_dict(), strict=True)
        self.student = channels_last(student.to(device))
        if self.acclimated:
            first = self.data.batches(config.loop.batch_size, 0, 1, config.loop.seed)  # the same in every process
            epoch = self.data.batches_per_epoch(config.loop.batch_size, 1)
            teacher, goes_on = self.acclimated[0].remembering(self.memory), run.state.file.is_file()
            bring_near(self.student, teacher, lambda most: first(0, min(most, epoch)), self.start, goes_on, observer)
        if config.machine.compile:
            self.student.compile()
            for one in self.acclimated:
                one.compile_teacher()

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
                "came_through": from_main(lambda: self._came_through(result)),
                **self.known,
                "teacher_cache": replay_report(self.memory, self.observer),
            },
        )

    def _came_through(self, result: FitResult) -> dict[str, Any] | None:
        """Who knows how much, on training images and on val; None without teacher or labels."""
        if not self.acclimated or self._truth is not None:
            return None
        first = self.acclimated[0]
        seen = {"student": self._predictor(load_student(self.run.path)), "ghost": self._predictor(first)}
        if first.teacher.contract.kind != "none":
            seen["teacher"] = self._teacher_predictor(first)
        val = {"student": result.best, "ghost": self.found[0].metrics, "teacher": self.own_metrics}
        return measured(seen, val, self.data, self.observer)

    @property
    def _noun(self) -> str:
        return "disparity" if self.data.output_kind == "disparity" else "depth"

    def _records(self) -> list[TeacherRecord]:
        return [found.teacher for found in self.found if found.teacher is not None]

    def _train(self) -> FitResult:
        config, loop, accelerator = self.config, self.config.loop, self.accelerator
        mixed = self.data.source.counts()[1] > 0
        teachers = [acclimated.remembering(self.memory) for acclimated in self.acclimated]
        frame = self.data.frame_share()
        step = DistillStep(self.student, teachers, config.method, self.start, log_shares=mixed, frame=frame).to(
            accelerator.device
        )
        backbone_lr = loop.backbone_lr or (loop.lr if self.start.random else PRETRAINED_SHARE * loop.lr)
        groups = student_groups(self.student, loop.lr, backbone_lr, loop.weight_decay)
        groups += decay_groups(step.features, loop.lr, loop.weight_decay)
        batches = self.data.batches(
            loop.batch_size,
            accelerator.process_index,
            accelerator.num_processes,
            loop.seed,
            labelled_only=not self.acclimated,
        )
        schedule = Schedule.plan(loop, self.data.batches_per_epoch(loop.batch_size, accelerator.num_processes))
        no_metres = self._truth is not None and self.data.output_kind == "disparity"
        better = "disparity_error" if no_metres else "rmse"
        task = Task(
            step, self.student, groups, batches, self._validate, self._save, better, before_step=step.before_step
        )
        observer = run_observers(self.run, self.observer)
        return Fit(task, loop, schedule, self.run, observer, accelerator).run_to_the_end()

    def _predictor(self, model: nn.Module) -> DepthPredictor:
        size = self.data.working_size
        return DepthPredictor(
            model,
            ghost_size(size) if isinstance(model, AcclimatedTeacher) else size,
            self.data.output_kind,
            self.data.max_depth,
            self.accelerator.device,
            self.precision,
            origins=origins_of([model.teacher]) if isinstance(model, AcclimatedTeacher) else None,
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
            workers=self.data.workers,
            truth=self._truth,
        )
        return scores.mean.as_dict()

    def _save(self, student: nn.Module, metrics: dict[str, float], step: int) -> None:
        assert isinstance(student, DepthStudent)
        records = self._records()
        metadata = student.describe(
            "student",
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
        height, width = self.config.student.input_size
        shipped = load_student(self.run.path)
        costs = {"student": model_cost(self._predictor(shipped), height, width).as_dict()}
        if self.acclimated and self.acclimated[0].teacher.contract.sees != "stored":
            costs["teacher"] = model_cost(self._teacher_predictor(self.acclimated[0]), height, width).as_dict()
        return costs
