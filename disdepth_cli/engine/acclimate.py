"""Acclimate: teach a teacher's features to speak to the student's decoder.

The teacher looks, the feature acclimation module brings what it saw to the student's channels and grid, and the ghost
decoder (a copy of the student's) makes depth of it. Then, with both frozen, attention tokens learn where depth comes
from. Nothing of the teacher changes, unless it is asked to adapt too; its own decoder then keeps its accuracy.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from disdepth_cli.checkpoint.locate import ACCLIMATED
from disdepth_cli.checkpoint.metadata import TEACHER_PREFIX, CheckpointMetadata, save_checkpoint
from disdepth_cli.config import AcclimateConfig
from disdepth_cli.data.sets.entries import entries_of
from disdepth_cli.engine.acclimation_scores import AcclimationScores
from disdepth_cli.engine.open_teacher import described, open_teacher, tell_checks
from disdepth_cli.errors import ConfigError, TrainingError
from disdepth_cli.machine.devices import channels_last, make_accelerator, teacher_precision
from disdepth_cli.machine.join import together
from disdepth_cli.machine.processes import from_main
from disdepth_cli.method.acclimate_steps import AttentionStep, GhostStep
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher, teacher_record
from disdepth_cli.method.acclimation import Acclimation
from disdepth_cli.method.disparity_range import VIEWS, measure_disparity_range
from disdepth_cli.method.teacher_cache import TeacherMemory
from disdepth_cli.models.student import build_student
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.results.training import AcclimatePlan, AcclimateReport
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.runs.metrics_table import MetricsTable
from disdepth_cli.scoring.acclimated_run import load_acclimation, load_ghost, load_teacher_weights
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.teachers.tuning import load_trained, trained_weights, unfreeze
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.loop import Fit
from disdepth_cli.training.prepare import prepare_data, student_architecture, supervised_data
from disdepth_cli.training.report import finish, fit_report, recipe_of, run_observers
from disdepth_cli.training.task import FitResult, Schedule, Task, decay_groups
from disdepth_cli.training.teacher_cache import open_memory, refuse_trained, replay_report
from disdepth_cli.training.teacher_checks import check_teacher

ATTENTION_LR = 1e-2
ATTENTION_SEED = 7919  # added to the seed, so that the tokens see other views than the ghost did
SAYS_NOTHING = 0.8  # of a constant depth's RMSE: a teacher whose ghost is no better than this is of little use


def acclimate(config: AcclimateConfig, observer: Observer = SILENT) -> AcclimateReport | AcclimatePlan:
    """Acclimate a teacher to a student's decoder and write `acclimated.safetensors` into a run folder.

    With `dry_run` nothing is trained: the result is what the teacher is.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    if config.run.dry_run:
        return AcclimatePlan(described(config, observer))
    with together(config, observer) as observer:
        refuse_trained(config)
        teacher = open_teacher(config.teacher, observer, config.machine.offline)
        if teacher.contract.depth_alone and config.teacher.train != "frozen":
            raise ConfigError(
                f"--train-teacher {config.teacher.train}: {teacher.contract.id} gives depth and no features; give it "
                "taps, or leave it frozen"
            )
        data = supervised_data(prepare_data(config, observer), config, teacher, observer)
        data = data.shown_to([teacher])
        run = RunFolder.open(config, "acclimate", teacher.contract.id, entries_of(data.source))
        return AcclimateReport.of(_Acclimation(config, data, teacher, run, observer).report())


class _Acclimation:
    """The story of one run."""

    def __init__(
        self,
        config: AcclimateConfig,
        data: TrainingData,
        teacher: DepthTeacher,
        run: RunFolder,
        observer: Observer,
    ) -> None:
        self.config, self.data, self.run, self.observer = config, data, run, observer
        self.accelerator = make_accelerator(config.machine)
        torch.manual_seed(config.loop.seed)
        device = self.accelerator.device
        # The ghost is a copy of the student's decoder, so a student is built; its backbone's weights do not matter.
        self.student = build_student(student_architecture(config.student, data))
        self.teacher = channels_last(teacher.to(device))
        acclimation = Acclimation(teacher.contract.spec, self.student.decoder, config.method.attention_tokens)
        if config.method.ghost is not None:
            acclimation.fix_ghost(load_ghost(config.method.ghost, student_architecture(config.student, data)))
        self.acclimation = channels_last(acclimation.to(device))
        self.precision = teacher_precision(config.machine.precision, device)
        self.memory = open_memory(config, data, [self.teacher], observer)
        self.scores = AcclimationScores(config, data, self.teacher, device)
        self.file = run.path / ACCLIMATED
        self.disparity_range: tuple[float, float] | None = None
        if data.output_kind == "disparity":
            self.disparity_range = from_main(self._disparity_range)

    def _disparity_range(self) -> tuple[float, float]:
        """Measured on the run's first views, those of all processes together."""
        batch_size = self.config.loop.batch_size * self.accelerator.num_processes
        first = self.data.batches(batch_size, 0, 1, self.config.loop.seed)(0, -(-VIEWS // batch_size))
        return measure_disparity_range(self.teacher, first)

    def report(self) -> dict[str, Any]:
        before = self.scores.of_teacher()
        self.checks = from_main(lambda: self._check(before))
        if (itself := self._acclimated(self.acclimation)).speaks_for_itself:
            return self._depth_alone(itself, before)
        unfreeze(self.teacher, self.config.teacher.train)
        ghost = self._train_ghost()
        after = self._best_teacher() if self.config.teacher.train != "frozen" else before
        attention = self._train_attention()
        return self._finish(before, after, ghost, attention)

    def _check(self, metrics: dict[str, float] | None) -> dict[str, Any]:
        """What the teacher says through views, and what it adds to the labels; told, and for the report."""
        error = metrics["abs_rel"] if metrics is not None and self.teacher.contract.kind == "metric_depth" else None
        found = check_teacher(self.teacher, self.scores.whole_images(), self.data, error)
        tell_checks(found, self.teacher, self.data, self.observer)
        return found.as_dict()

    def _depth_alone(self, itself: AcclimatedTeacher, metrics: dict[str, float] | None) -> dict[str, Any]:
        """The report where there is nothing to train: the teacher's own depth is what the student will imitate."""
        self.observer.on_note(f"{self.teacher.contract.id}: gives depth and no features: there is nothing to acclimate")
        own = self.scores.of_ghost(itself)
        from_main(lambda: MetricsTable(self.run.metrics_file, 0, warn=self._warn).add(0, 0, "val", own))
        from_main(lambda: save_checkpoint(self.file, self.acclimation.state_dict(), self._metadata(own)))
        return self._finish(metrics, metrics, FitResult(own, 0, own, 0, 0.0, 0.0), None)

    def _finish(
        self,
        before: dict[str, float] | None,
        after: dict[str, float] | None,
        ghost: FitResult,
        attention: FitResult | None,
    ) -> dict[str, Any]:
        """before, after: metrics of the teacher itself."""
        constant = self.scores.of_constant()
        comparable = after is not None and self.scores.teacher_protocol() == self.data.protocol
        ratio = ghost.best["rmse"] / after["rmse"] if after is not None and comparable else None
        self._doubt(ghost.best, constant)
        return finish(
            self.run,
            {
                "teacher": self._record(),
                "output_kind": self.data.output_kind,
                "protocol": self.data.protocol.as_json(),
                "scored_against": self.scores.scored_against,
                "teacher_protocol": self.scores.teacher_protocol().as_json(),
                "teacher_metrics": before,
                "teacher_metrics_after": after if self.config.teacher.train != "frozen" else None,
                "ghost_metrics": ghost.best,
                "constant_metrics": constant,
                "rmse_ratio_ghost_to_teacher": ratio,
                "teacher_checks": self.checks,
                **fit_report(ghost),
                "attention": fit_report(attention) if attention else None,
                "teacher_cache": replay_report(self.memory, self.observer),
            },
        )

    def _warn(self, line: str) -> None:
        self.observer.on_warning(line)

    def _doubt(self, ghost: dict[str, float], constant: dict[str, float] | None) -> None:
        """Say so when a teacher is of little use."""
        if constant is None or not ghost or ghost["rmse"] < SAYS_NOTHING * constant["rmse"]:
            return
        self.observer.on_warning(
            f"through the ghost decoder this teacher's RMSE is {ghost['rmse']:.3f}, that of one constant depth "
            f"{constant['rmse']:.3f}: its features tell little about depth here; take another, or train it "
            "(--train-teacher)"
        )

    def _record(self) -> dict[str, Any]:
        return teacher_record(self.teacher, self.config.teacher.train).model_dump(mode="json")

    def _metadata(self, metrics: dict[str, float]) -> CheckpointMetadata:
        return self.student.describe(
            "acclimated",
            attention_tokens=self.config.method.attention_tokens,
            disparity_range=self.disparity_range,
            teacher=teacher_record(self.teacher, self.config.teacher.train),
            protocol=self.data.protocol.as_json(),
            metrics=metrics,
            recipe=recipe_of(self.config),
        )

    def _acclimated(self, acclimation: Acclimation, memory: TeacherMemory | None = None) -> AcclimatedTeacher:
        return AcclimatedTeacher(self.teacher, acclimation, self.precision, self.disparity_range, memory)

    def _validate(self, model: nn.Module) -> dict[str, float]:
        """Scores of the averaged acclimation, with the averaged teacher where it learns."""
        if isinstance(model, Acclimation):
            model = self._acclimated(model)
        assert isinstance(model, AcclimatedTeacher)
        return self.scores.of_ghost(model)

    def _train_ghost(self) -> FitResult:
        config, acclimated = self.config, self._acclimated(self.acclimation, self.memory)
        if config.machine.compile:
            self.acclimation.compile()
            if self.teacher.frozen:
                acclimated.compile_teacher()
        step = GhostStep(
            self.acclimation,
            acclimated,
            config.method.teacher_loss,
            anchor_weight=config.method.anchor_weight,
            own_weight=config.teacher.own_loss,
            log_shares=self.data.source.counts()[1] > 0,
        )
        self.acclimation.attention.requires_grad_(False)
        groups = decay_groups(self.acclimation, config.loop.lr, config.loop.weight_decay)
        if self.teacher.learns:
            groups += decay_groups(self.teacher, config.teacher.lr, config.loop.weight_decay)

        def save(model: nn.Module, metrics: dict[str, float], step: int) -> None:
            save_checkpoint(self.file, _weights(model), self._metadata(metrics))

        schedule = Schedule.plan(
            config.loop, self.data.batches_per_epoch(config.loop.batch_size, self.accelerator.num_processes)
        )
        model = acclimated if self.teacher.learns else self.acclimation
        task = Task(step, model, groups, self._batches(0), self._validate, save, better=self.scores.better)
        task.partly_used = self.teacher.learns  # no loss reaches a mask token, or a decoder whose weight is 0
        return self._fit(task, config, schedule, self.run)

    def _best_teacher(self) -> dict[str, float] | None:
        """Put the best of a trained teacher in its place, frozen from here on; its own accuracy now."""
        self._check_best()
        load_trained(self.teacher, load_teacher_weights(self.file))
        self.teacher.freeze()
        return self.scores.of_teacher()

    def _check_best(self) -> None:
        if not self.file.is_file():
            raise TrainingError(f"{self.run.path}: the ghost decoder never gave a finite depth; lower --lr")

    def _train_attention(self) -> FitResult | None:
        """The tokens, with the best acclimation and its ghost frozen."""
        if not self.config.method.attention_steps:
            return None
        self._check_best()
        best, metadata = load_acclimation(self.file)
        changed = load_teacher_weights(self.file)
        acclimation = channels_last(best.to(self.accelerator.device))
        acclimation.attention.requires_grad_(True)
        step = AttentionStep(
            acclimation, self._acclimated(acclimation, self.memory), self.config.method.attention_diversity
        )
        config = self.config.replaced(max_steps=self.config.method.attention_steps, ema=0.0)
        schedule = Schedule(self.config.method.attention_steps, self.config.method.attention_steps)

        def save(model: nn.Module, metrics: dict[str, float], step: int) -> None:
            save_checkpoint(self.file, acclimation.state_dict() | _as_teacher(changed), metadata)

        task = Task(
            step,
            acclimation.attention,
            decay_groups(acclimation.attention, ATTENTION_LR, 0.0),
            self._batches(ATTENTION_SEED),
            lambda _: metadata.metrics,  # frozen: the ghost's accuracy is what it was
            save,
            better=self.scores.better,
        )
        return self._fit(task, config, schedule, self.run.phase("attention"))

    def _fit(self, task: Task, config: AcclimateConfig, schedule: Schedule, run: RunFolder) -> FitResult:
        observer = run_observers(run, self.observer)
        return Fit(task, config.loop, schedule, run, observer, self.accelerator).run_to_the_end()

    def _batches(self, offset: int) -> Any:
        accelerator, labelled_only = self.accelerator, self.teacher.contract.kind == "none"
        loop, rank, count = self.config.loop, accelerator.process_index, accelerator.num_processes
        return self.data.batches(loop.batch_size, rank, count, loop.seed + offset, labelled_only)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """What an acclimated file holds: the acclimation, and the weights of a learning teacher that may have changed."""
    if isinstance(model, AcclimatedTeacher):
        return model.acclimation.state_dict() | _as_teacher(trained_weights(model.teacher))
    return model.state_dict()


def _as_teacher(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {TEACHER_PREFIX + name: value for name, value in weights.items()}
