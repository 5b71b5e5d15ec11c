"""What every training of a run shares: its data, folder, device and options of the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from accelerate import Accelerator

from disdepth_cli.config import TrainingConfig
from disdepth_cli.config.parts import LoopOptions
from disdepth_cli.config.types import Tracker
from disdepth_cli.data.sets.entries import entries_of
from disdepth_cli.machine.devices import make_accelerator
from disdepth_cli.machine.processes import from_main
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.loop.loop import TrainingLoop
from disdepth_cli.training.loop.observers import Tracking
from disdepth_cli.training.loop.task import LoopResult, Schedule, Task
from disdepth_cli.training.report import run_observers
from disdepth_cli.types import StoredBatch


def open_session(config: TrainingConfig, verb: str, subject: str, data: TrainingData, observer: Observer) -> Session:
    """Open the run folder of a configuration, new or with `resume`, and the device.

    subject: names a new folder.

    Raises:
        ConfigError: see `RunFolder.open`; or the device cannot be used.
    """
    run = RunFolder.open(config, verb, subject, entries_of(data.source))
    return Session(data, run, config.loop, make_accelerator(config.machine), observer, config.run.track)


@dataclass(frozen=True)
class Session:
    """One run of this process. track: the experiment tracker that was asked for."""

    data: TrainingData
    run: RunFolder
    loop: LoopOptions
    accelerator: Accelerator
    observer: Observer
    track: Tracker | None = None

    @property
    def device(self) -> torch.device:
        """Where its models run."""
        return self.accelerator.device

    def schedule(self) -> Schedule:
        """Steps of the run."""
        per_epoch = self.data.batches_per_epoch(self.loop.batch_size, self.accelerator.num_processes)
        return Schedule.plan(self.loop, per_epoch)

    def batches(self, offset: int = 0, labelled_only: bool = False) -> Callable[[int, int], Iterator[StoredBatch]]:
        """The batches of this process; offset: added to the run's seed."""
        loop, here = self.loop, self.accelerator
        return self.data.batches(
            loop.batch_size, here.process_index, here.num_processes, loop.seed + offset, labelled_only
        )

    def first_batches(self, images: int) -> Iterator[StoredBatch]:
        """The run's first batches, those of all processes together, until they hold so many images."""
        batch_size = self.loop.batch_size * self.accelerator.num_processes
        return self.data.batches(batch_size, 0, 1, self.loop.seed)(0, -(-images // batch_size))

    def train(
        self,
        task: Task,
        schedule: Schedule | None = None,
        loop: LoopOptions | None = None,
        run: RunFolder | None = None,
        page: Observer = SILENT,
    ) -> LoopResult:
        """Train a task to its end; the schedule, options and folder are the run's unless others are given.

        page: is told what the log is told, after it.
        """
        run = run or self.run
        tracking: list[Tracking] = []
        from_main(lambda: tracking.extend(self._tracking(run)))
        observer = run_observers(run, self.observer, *tracking, page)
        try:
            return TrainingLoop(
                task, loop or self.loop, schedule or self.schedule(), run, observer, self.accelerator
            ).run_to_the_end()
        finally:
            for one in tracking:
                one.finish()

    def _tracking(self, run: RunFolder) -> list[Tracking]:
        return Tracking.chosen(self.accelerator, self.track, run.path, lambda line: self.observer.on_warning(line))
