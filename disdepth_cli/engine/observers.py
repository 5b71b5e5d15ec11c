"""Who may watch a run: the loop calls an `Observer` and knows none of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from disdepth_cli.engine.run import MetricsTable


@dataclass(frozen=True)
class Progress:
    """One optimiser step: parts are the weighted loss parts and their sum `loss`; images are this step's."""

    step: int
    total: int
    epoch: int
    lr: float
    images: int
    parts: dict[str, float]


class Observer(Protocol):
    """What the loop tells of itself."""

    def on_start(self, done: int, total: int, steps_per_epoch: int) -> None: ...

    def on_step(self, progress: Progress) -> None: ...

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None: ...

    def on_image(self, done: int, total: int) -> None: ...

    def on_warning(self, message: str) -> None: ...

    def on_note(self, message: str) -> None: ...


class Silent:
    """Observes nothing; the others start from it."""

    def on_start(self, done: int, total: int, steps_per_epoch: int) -> None:
        pass

    def on_step(self, progress: Progress) -> None:
        pass

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        pass

    def on_image(self, done: int, total: int) -> None:
        pass

    def on_warning(self, message: str) -> None:
        pass

    def on_note(self, message: str) -> None:
        pass


class Unrepeated:
    """Passes on what it is told to another observer, each note and warning once: several runs in one say much alike."""

    def __init__(self, to: Observer, validations: bool = True) -> None:
        self.to, self.validations = to, validations
        self.told: set[str] = set()

    def on_start(self, done: int, total: int, steps_per_epoch: int) -> None:
        self.to.on_start(done, total, steps_per_epoch)

    def on_step(self, progress: Progress) -> None:
        self.to.on_step(progress)

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        if self.validations:
            self.to.on_validation(step, epoch, metrics, is_best)

    def on_image(self, done: int, total: int) -> None:
        self.to.on_image(done, total)

    def on_warning(self, message: str) -> None:
        self._once(message, self.to.on_warning)

    def on_note(self, message: str) -> None:
        self._once(message, self.to.on_note)

    def _once(self, message: str, tell: Callable[[str], None]) -> None:
        if message not in self.told:
            self.told.add(message)
            tell(message)


class CsvLog(Silent):
    """Writes metrics.csv: the mean of every few training steps, and every validation."""

    def __init__(self, file: Path, every: int) -> None:
        self.file, self.every = file, every
        self.sums: dict[str, float] = {}
        self.count = 0

    def on_start(self, done: int, total: int, steps_per_epoch: int) -> None:
        self.table = MetricsTable(self.file, upto_step=done)

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
