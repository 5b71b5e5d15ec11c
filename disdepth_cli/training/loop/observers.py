"""Who may watch a run: the loop calls an `Observer` and knows none of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from disdepth_cli.observer import Observer, Progress, Silent
from disdepth_cli.runs.metrics_table import MetricsTable


class CsvLog(Silent):
    """Writes metrics.csv: the mean of every few training steps, and every validation."""

    def __init__(self, file: Path, every: int, warn: Callable[[str], object]) -> None:
        self.file, self.every, self.warn = file, every, warn
        self.sums: dict[str, float] = {}
        self.count = 0

    def on_start(self, done: int, total: int, steps_per_epoch: int) -> None:
        self.table = MetricsTable(self.file, upto_step=done, warn=self.warn)

    def on_step(self, progress: Progress) -> None:
        for name, value in progress.parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        if progress.step % self.every == 0 or progress.step == progress.total:
            means = {name: value / self.count for name, value in self.sums.items()}
            self.table.add(progress.step, progress.epoch, "train", means | {"lr": progress.lr})
            self.sums, self.count = {}, 0

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        self.table.add(step, epoch, "val", metrics)


class TensorBoard(Silent):
    """Scalars for TensorBoard, in the run's `tensorboard/`."""

    def __init__(self, writer: Any) -> None:
        self.writer = writer

    @classmethod
    def when_installed(cls, folder: Path) -> list[Observer]:
        """A list with the observer, empty when the package is not installed."""
        try:
            writer: Callable[..., Any] = importlib.import_module("torch.utils.tensorboard").SummaryWriter
        except ImportError:
            return []
        return [cls(writer(str(folder)))]

    def on_step(self, progress: Progress) -> None:
        for name, value in progress.parts.items():
            self.writer.add_scalar(f"train/{name}", value, progress.step)

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(f"val/{name}", value, step)
        self.writer.flush()
