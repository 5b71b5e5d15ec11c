"""The one optimisation loop: accumulate, clip, schedule, average, validate, log, resume.

Everything random is a function of (seed, step) or (seed, epoch, index), so a run that is stopped anywhere and resumed
ends with the same bytes as one that was never stopped.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from timm.utils import ModelEmaV3
from torch import nn

from disdepth_cli.config.parts import LoopOptions
from disdepth_cli.errors import ConfigError, DataError, Interrupted, TrainingError
from disdepth_cli.machine.processes import agreed, all_finite, average_norms, from_main, gather, load_shared, rank
from disdepth_cli.machine.signals import StopSignal
from disdepth_cli.machine.sums import some, world
from disdepth_cli.observer import Observer, Progress
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.runs.state import Parts, pack, unpack
from disdepth_cli.training.task import FitResult, Schedule, Task
from disdepth_cli.types import DepthBatch, LossTerms

LOG_EVERY = 10  # steps between rows of metrics.csv
WARMUP_SHARE = 0.1  # of the one-cycle schedule
STEP_SEED_STRIDE = 1_000_003
RANK_SEED_STRIDE = 2_147_483_659  # processes draw apart: the same dropout in all would be one draw for all images


class Fit:
    """One run of `task` under `options`, logged to `observers`, kept in `run`."""

    def __init__(
        self,
        task: Task,
        options: LoopOptions,
        schedule: Schedule,
        run: RunFolder,
        observers: Sequence[Observer],
        accelerator: Accelerator,
    ) -> None:
        self.task, self.options, self.schedule, self.run = task, options, schedule, run
        self.observers = observers
        self.accelerator = accelerator
        if accelerator.ddp_handler is not None:
            accelerator.ddp_handler.find_unused_parameters = task.partly_used
        self.step_module, self.optimizer = accelerator.prepare(
            task.step, torch.optim.AdamW(task.groups, lr=options.lr, weight_decay=options.weight_decay)
        )
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer.optimizer,
            max_lr=[group["lr"] for group in task.groups],
            total_steps=schedule.total_steps + 1,
            # A run too short for one step of warm-up has none; at exactly nine steps torch would divide by zero.
            pct_start=WARMUP_SHARE if schedule.total_steps * WARMUP_SHARE >= 1 else 0.0,
            div_factor=25,
            final_div_factor=100,
            cycle_momentum=False,
        )
        self.ema = ModelEmaV3(task.model, decay=options.ema, use_warmup=True) if options.ema else None
        self.done = 0
        self.best: dict[str, float] = {}
        self.best_step = 0
        self.final: dict[str, float] = {}
        self.corrupt: list[str] = []
        self.bad_in_a_row = 0
        self.skipped = 0
        self.images, self.seconds, self.since = 0, 0.0, 0.0
        self.stop = StopSignal()
        self.stopping = False

    def run_to_the_end(self) -> FitResult:
        """Train from wherever the run is to its last step.

        Raises:
            Interrupted: stopped by a signal; the state is saved.
            TrainingError: too many non-finite losses.
            DataError: too many unreadable files.
        """
        self._resume()
        self.since, accumulate = time.monotonic(), self.options.accumulate
        with self.stop:
            for observer in self.observers:
                observer.on_start(self.done, self.schedule.total_steps, self.schedule.steps_per_epoch)
            if not self.done:
                self._save_state()  # a run that is killed before its first save goes on from this very start
            batches = self.task.batches(self.done * accumulate, self.schedule.total_steps * accumulate)
            while self.done < self.schedule.total_steps:
                if self._one_step(batches) and self.schedule.validates_after(self.done):
                    self._validate()
                    self.stopping = some(torch.tensor(self.stop.requested, device=self.accelerator.device))
                if self.stopping:
                    self._save_state()
                    raise agreed(Interrupted(f"stopped at step {self.done}; go on with --resume -o {self.run.path}"))
                if self.done % self.options.save_every == 0 or self.done == self.schedule.total_steps:
                    self._save_state()
        self._tick()
        return FitResult(
            best=self.best,
            best_step=self.best_step,
            final=self.final,
            steps=self.done,
            seconds=self.seconds,
            images_per_second=self.images / max(self.seconds, 1e-9),
            corrupt=self.corrupt,
            skipped_steps=self.skipped,
        )

    def _one_step(self, batches: Iterator[DepthBatch]) -> bool:
        """One optimiser step over `accumulate` batches; a non-finite loss or gradient leaves the weights alone.

        False: it was not taken, since a batch is missing and the run is to stop.
        """
        torch.manual_seed(self.options.seed * STEP_SEED_STRIDE + self.done + rank() * RANK_SEED_STRIDE)
        self.task.step.train()
        if self.task.before_step is not None:
            self.task.before_step(self.done, self.schedule.total_steps)
        parts: dict[str, float] = {}
        keys: list[str] = []
        images = 0
        finite = True
        loaded = [load_shared(batches, self.stop, self.accelerator.device) for _ in range(self.options.accumulate)]
        self.stopping = self.stopping or any(shared.stop for _, shared in loaded)
        for _, shared in loaded:
            self._note_failures(shared.failures)
        if any(shared.empty and shared.stop for _, shared in loaded):
            return False  # before anything of the model has changed, running statistics among it
        for batch, shared in loaded:
            if shared.empty:  # of one process is enough: all of them take a step, or none
                continue
            images += shared.images
            keys += batch.keys
            terms: LossTerms = self.step_module(batch.to(self.accelerator.device))
            finite = all_finite(terms.total) and finite
            if finite:
                self.accelerator.backward(terms.total / self.options.accumulate)
            for name, value in {"loss": terms.total, **terms.parts, **terms.shares}.items():
                parts[name] = parts.get(name, 0.0) + float(value.detach()) / self.options.accumulate
        if images:
            average_norms(self.task.step)
            self._update(finite, keys)
        self.optimizer.zero_grad(set_to_none=True)
        self._next_rate()
        self.done += 1
        self.stopping = self.stopping or (world() == 1 and self.stop.requested)
        self.images += images
        self._report(parts, images)
        return True

    def _next_rate(self) -> None:
        with warnings.catch_warnings():
            # After a resume, or a first step that was skipped, the schedule is rightly ahead of the optimiser.
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
            self.scheduler.step()

    def _update(self, finite: bool, keys: list[str]) -> None:
        if finite:
            norm = self.accelerator.clip_grad_norm_(self.task.step.parameters(), self.options.clip)
            # With fp16 the gradient scaler skips such a step itself, and lowers its scale.
            finite = self.accelerator.scaler is not None or norm is None or bool(torch.isfinite(torch.as_tensor(norm)))
        if not finite:
            self._note_nonfinite(keys)
            return
        self.bad_in_a_row = 0
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update(self.task.model, step=self.done)

    def _note_nonfinite(self, keys: list[str]) -> None:
        self.bad_in_a_row += 1
        self.skipped += 1
        names = ", ".join(key for some in gather(keys) for key in some)
        self._warn(f"step {self.done + 1}: non-finite loss, step skipped; its files: {names}")
        if self.bad_in_a_row >= self.options.max_nonfinite:
            raise agreed(
                TrainingError(
                    f"{self.bad_in_a_row} steps in a row had a non-finite loss, the last with {names}; lower --lr (now "
                    f"{self.options.lr:g}), use --precision fp32, or look at those files"
                )
            )

    def _note_failures(self, failures: Sequence[tuple[str, str]]) -> None:
        for key, reason in failures:
            if key in self.corrupt:
                continue
            self.corrupt.append(key)
            self._warn(f"skipped: {reason}")
            if len(self.corrupt) > self.options.max_corrupt:
                raise agreed(
                    DataError(
                        f"{len(self.corrupt)} training files cannot be read, more than --max-corrupt "
                        f"{self.options.max_corrupt}; the last: {reason}"
                    )
                )

    def _warn(self, message: str) -> None:
        for observer in self.observers:
            observer.on_warning(message)

    def _report(self, parts: dict[str, float], images: int) -> None:
        progress = Progress(
            step=self.done,
            total=self.schedule.total_steps,
            epoch=(self.done - 1) // self.schedule.steps_per_epoch + 1,
            lr=float(self.optimizer.optimizer.param_groups[-1]["lr"]),
            images=images,
            parts=parts,
        )
        for observer in self.observers:
            observer.on_step(progress)

    def _validate(self) -> None:
        model = self.averaged
        model.eval()
        metrics = self.task.validate(model)
        self.final = metrics
        epoch = math.ceil(self.done / self.schedule.steps_per_epoch)
        score = metrics[self.task.better]
        is_best = math.isfinite(score) and (not self.best or score < self.best[self.task.better])
        if is_best:
            self.best, self.best_step = metrics, self.done
            from_main(lambda: self.task.save(model, metrics, self.done))
        for observer in self.observers:
            observer.on_validation(self.done, epoch, metrics, is_best)

    @property
    def averaged(self) -> nn.Module:
        """The model that is validated and shipped: the moving average, or the weights themselves without one."""
        return self.ema.module if self.ema is not None else self.task.model

    def _tick(self) -> None:
        """Add the time since the last call to the run's seconds, all its parts together."""
        now = time.monotonic()
        self.seconds, self.since = self.seconds + now - self.since, now

    def _save_state(self) -> None:
        self._tick()
        from_main(lambda: self.run.save_state(*pack(self._parts(), self._counters())))

    def _resume(self) -> None:
        # Asked of the main process: it may have saved its first state before another one looks.
        saved = self.run.load_state() if from_main(self.run.state_file.is_file) else None
        if saved is None:
            return
        before = saved[1].get("processes", 1)
        if before != world():
            raise agreed(
                ConfigError(
                    f"{self.run.path}: was started with {before} process{'es' if before > 1 else ''}, now there are "
                    f"{world()}; the order of the images would be another: resume with as many"
                )
            )
        total = saved[1]["total_steps"]
        if total != self.schedule.total_steps:
            raise ConfigError(
                f"{self.run.path}: was planned for {total} steps, now it would be {self.schedule.total_steps}; "
                "the data or the options have changed since"
            )
        counters = unpack(self._parts(), *saved)
        self.done = counters["done"]
        self.scheduler.last_epoch = self.done
        self.best, self.best_step, self.final = counters["best"], counters["best_step"], counters["final"]
        self.corrupt, self.skipped = counters["corrupt"], counters["skipped"]
        self.bad_in_a_row = counters["bad_in_a_row"]
        self.images, self.seconds = counters["images"], counters["seconds"]

    def _parts(self) -> Parts:
        ema = None if self.ema is None else self.ema.module
        return Parts(self.task.step, ema, self.optimizer.optimizer, self.accelerator.scaler)

    def _counters(self) -> dict[str, Any]:
        return {
            "done": self.done,
            "total_steps": self.schedule.total_steps,
            "processes": world(),
            "best": self.best,
            "best_step": self.best_step,
            "final": self.final,
            "corrupt": self.corrupt,
            "bad_in_a_row": self.bad_in_a_row,
            "skipped": self.skipped,
            "images": self.images,
            "seconds": self.seconds,
        }
