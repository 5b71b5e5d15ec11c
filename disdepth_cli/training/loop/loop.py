"""The one optimisation loop: accumulate, clip, schedule, average, validate, log, resume.

Everything random is a function of (seed, step) or (seed, epoch, index), so a run that is stopped anywhere and resumed
ends with the same bytes as one that was never stopped.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from disdepth_cli.config.parts import LoopOptions
from disdepth_cli.errors import Interrupted
from disdepth_cli.machine.processes import (
    agreed,
    average_norms,
    finite_everywhere,
    from_main,
    gather,
    is_main,
    load_shared,
    rank,
)
from disdepth_cli.machine.signals import StopSignal
from disdepth_cli.machine.sums import world
from disdepth_cli.observer import Observer, Progress
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.runs.state import Parts, pack, unpack
from disdepth_cli.training.loop.skips import Skips
from disdepth_cli.training.loop.state_saver import StateSaver, check_same_length, is_longer
from disdepth_cli.training.loop.step_log import StepLog
from disdepth_cli.training.loop.task import LoopResult, Schedule, Task, one_cycle
from disdepth_cli.training.loop.trouble import is_full, of_memory, of_worker
from disdepth_cli.types import LossTerms, StoredBatch

LOG_EVERY = 10  # steps between rows of metrics.csv
STEP_SEED_STRIDE = 1_000_003
RANK_SEED_STRIDE = 2_147_483_659  # processes draw apart: the same dropout in all would be one draw for all images


class TrainingLoop:
    """One run of `task` under `options`, told to `observer`, kept in `run`."""

    def __init__(
        self,
        task: Task,
        options: LoopOptions,
        schedule: Schedule,
        run: RunFolder,
        observer: Observer,
        accelerator: Accelerator,
    ) -> None:
        self.task, self.options, self.schedule, self.run = task, options, schedule, run
        self.observer = observer
        self.accelerator = accelerator
        if accelerator.ddp_handler is not None:
            accelerator.ddp_handler.find_unused_parameters = task.partly_used
        self.step_module, self.optimizer = accelerator.prepare(
            task.step, torch.optim.AdamW(task.groups, lr=options.lr, weight_decay=options.weight_decay)
        )
        self.scheduler = one_cycle(self.optimizer.optimizer, schedule.total_steps)
        self.lengthened_at = 0  # the step at which the run had ended, before it was given more
        self.ema = ModelEmaV3(task.model, decay=options.ema, use_warmup=True) if options.ema else None
        self.done = 0
        self.best: dict[str, float] = {}
        self.best_step = 0
        self.final: dict[str, float] = {}
        self.skips = Skips(options, observer)
        self.images, self.seconds, self.since = 0, 0.0, 0.0
        self.saver = StateSaver(run, options.save_every)
        self.log = StepLog(observer, accelerator.device)
        self.stop = StopSignal()
        self.stopping = False

    def run_to_the_end(self) -> LoopResult:
        """Train from wherever the run is to its last step.

        Raises:
            Interrupted: stopped by a signal; the state is saved.
            TrainingError: too many non-finite losses, a worker that was killed, a device without memory.
            DataError: too many unreadable files.
        """
        self._resume()
        self.since = time.monotonic()
        try:
            self._train()
        except RuntimeError as error:
            worded = of_worker(error, self.run.path)
            if worded is None:
                raise
            raise worded from error
        finally:
            self.saver.wait()
        self._tick()
        return LoopResult(
            best=self.best,
            best_step=self.best_step,
            final=self.final,
            steps=self.done,
            seconds=self.seconds,
            images_per_second=self.images / max(self.seconds, 1e-9),
            corrupt=self.skips.corrupt,
            skipped_steps=self.skips.steps,
        )

    def _train(self) -> None:
        accumulate, total = self.options.accumulate, self.schedule.total_steps
        with self.stop:
            self.observer.on_start(self.done, total, self.schedule.steps_per_epoch)
            if not self.done:
                self._save_state(now=True)  # a run that is killed before its first save goes on from this very start
            batches = self.task.batches(self.done * accumulate, total * accumulate)
            while self.done < total:
                validated = self.take_step(batches) and self.schedule.validates_after(self.done)
                if validated:
                    self._validate()
                    self.stopping = any(gather(self.stop.requested))
                if self.stopping:
                    self.log.tell()
                    self._save_state(now=True)
                    raise agreed(Interrupted(f"stopped at step {self.done}; go on with --resume -o {self.run.path}"))
                if self.done == total:
                    self._save_state(now=True)
                elif is_main() and (validated or self.saver.is_due):
                    self._save_state()

    def take_step(self, batches: Iterator[StoredBatch]) -> bool:
        """One optimiser step over `accumulate` batches; a non-finite loss or gradient leaves the weights alone.

        False: it was not taken, since a batch is missing and the run is to stop.
        """
        torch.manual_seed(self.options.seed * STEP_SEED_STRIDE + self.done + rank() * RANK_SEED_STRIDE)
        self.task.step.train()
        if self.task.before_step is not None:
            self.task.before_step(self.done, self.schedule.total_steps)
        accumulate = self.options.accumulate
        loaded = [load_shared(batches, self.stop) for _ in range(accumulate)]
        self.stopping = self.stopping or any(shared.stop for _, shared in loaded)
        for _, shared in loaded:
            self.skips.files(shared.failures)
        if any(shared.empty and shared.stop for _, shared in loaded):
            return False  # before anything of the model has changed, running statistics among it
        # A batch that is empty in one process is left out by all: all of them take a step, or none.
        full = [batch for batch, shared in loaded if not shared.empty]
        terms = [self._backward(batch, last=batch is full[-1]) for batch in full]
        if full:
            average_norms(self.task.step)
            self._update([one.total for one in terms], [key for batch in full for key in batch.keys])
        self.optimizer.zero_grad(set_to_none=True)
        self._next_rate()
        self.done += 1
        self.stopping = self.stopping or (world() == 1 and self.stop.requested)
        images = sum(shared.images for _, shared in loaded if not shared.empty)
        self.images += images
        self.log.add(self._progress(images), terms, 1 / accumulate)
        return True

    def _backward(self, batch: StoredBatch, last: bool) -> LossTerms:
        """The loss of a batch, with its gradients added; processes add theirs up with a step's last batch.

        Raises:
            TrainingError: the device has no memory for it.
        """
        try:
            with nullcontext() if last else self.accelerator.no_sync(self.step_module):
                terms: LossTerms = self.step_module(batch.to(self.accelerator.device))
                self.accelerator.backward(terms.total / self.options.accumulate)
                return terms
        except RuntimeError as error:
            if not is_full(error):
                raise
        # Here, since what the error holds of the step is let go.
        self.optimizer.zero_grad(set_to_none=True)
        accumulate, device = self.options.accumulate, self.accelerator.device
        raise of_memory(batch, accumulate, device, self._attempt, self.run.path)

    def _attempt(self, batch: StoredBatch) -> None:
        self.accelerator.backward(self.step_module(batch.to(self.accelerator.device)).total)
        self.optimizer.zero_grad(set_to_none=True)

    def _next_rate(self) -> None:
        with warnings.catch_warnings():
            # After a resume, or a first step that was skipped, the schedule is rightly ahead of the optimiser.
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
            self.scheduler.step()

    def _update(self, losses: list[Tensor], keys: list[str]) -> None:
        """Take the step, unless a loss or the gradients' norm is not finite. The device is asked here, once."""
        scaler = self.accelerator.scaler
        norm = self.accelerator.clip_grad_norm_(self.task.step.parameters(), self.options.clip)
        norm = losses[0].new_zeros(()) if norm is None else torch.as_tensor(norm)
        loss, gradient = finite_everywhere(torch.stack(losses).sum(), norm)
        if not (loss and gradient):
            if scaler is not None:
                scaler.update()  # lowers its scale
            self.skips.step(self.done + 1, keys, overflowed=scaler is not None and loss)
            return
        self.skips.in_a_row = 0
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update(self.task.model, step=self.done)

    def _progress(self, images: int) -> Progress:
        return Progress(
            step=self.done,
            total=self.schedule.total_steps,
            epoch=(self.done - 1) // self.schedule.steps_per_epoch + 1,
            lr=float(self.optimizer.optimizer.param_groups[-1]["lr"]),
            images=images,
            parts={},
        )

    def _validate(self) -> None:
        self.log.tell()
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
        self.observer.on_validation(self.done, epoch, metrics, is_best)

    @property
    def averaged(self) -> nn.Module:
        """The model that is validated and shipped: the moving average, or the weights themselves without one."""
        return self.ema.module if self.ema is not None else self.task.model

    def _tick(self) -> None:
        """Add the time since the last call to the run's seconds, all its parts together."""
        now = time.monotonic()
        self.seconds, self.since = self.seconds + now - self.since, now

    def _save_state(self, now: bool = False) -> None:
        """now: all processes wait until it is on the disk; otherwise the main one writes it meanwhile."""
        self._tick()
        if is_main():
            self.saver.save(*pack(self._parts(), self._counters()))
        if now:
            from_main(self.saver.wait)

    def _resume(self) -> None:
        # Asked of the main process: it may have saved its first state before another one looks.
        saved = self.run.state.load() if from_main(self.run.state.file.is_file) else None
        if saved is None:
            return
        check_same_length(self.run, saved[1], self.schedule.total_steps)
        counters = unpack(self._parts(), *saved)
        self.done = counters["done"]
        self._schedule_the_rest(counters)
        self.best, self.best_step, self.final = counters["best"], counters["best_step"], counters["final"]
        self.skips.corrupt, self.skips.steps = counters["corrupt"], counters["skipped"]
        self.skips.in_a_row = counters["bad_in_a_row"]
        self.images, self.seconds = counters["images"], counters["seconds"]

    def _schedule_the_rest(self, state: dict[str, Any]) -> None:
        """The schedule where the state left it; a finished run that is given more steps has a new one for them."""
        total, more = self.schedule.total_steps, is_longer(state, self.schedule.total_steps)
        self.lengthened_at = self.done if more else state.get("lengthened_at", 0)
        if self.lengthened_at:
            self.scheduler = one_cycle(self.optimizer.optimizer, total - self.lengthened_at)
        if more:
            told = f"was finished after {self.done} steps; {total - self.done} more follow"
            self.observer.on_note(f"{self.run.path}: {told}, with a new schedule from its weights")
        else:
            for group, rate in zip(self.optimizer.optimizer.param_groups, state["rates"], strict=True):
                group["lr"] = rate
        self.scheduler.last_epoch = self.done - self.lengthened_at

    def _parts(self) -> Parts:
        ema = None if self.ema is None else self.ema.module
        return Parts(self.task.step, ema, self.optimizer.optimizer, self.accelerator.scaler)

    def _counters(self) -> dict[str, Any]:
        return {
            "done": self.done,
            "total_steps": self.schedule.total_steps,
            "lengthened_at": self.lengthened_at,
            "processes": world(),
            "best": self.best,
            "best_step": self.best_step,
            "final": self.final,
            "corrupt": self.skips.corrupt,
            "bad_in_a_row": self.skips.in_a_row,
            "skipped": self.skips.steps,
            "images": self.images,
            "seconds": self.seconds,
        }
