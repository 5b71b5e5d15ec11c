"""Who may watch a run: the loop calls an `Observer` and knows none of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from accelerate import Accelerator

from disdepth_cli.config.types import Tracker
from disdepth_cli.errors import ConfigError, DisdepthError, first_line
from disdepth_cli.observer import Progress, Silent
from disdepth_cli.packages import optional
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


class Tracking(Silent):
    """Sends the loss parts of each step and the metrics of each validation to an experiment tracker of accelerate."""

    def __init__(self, accelerator: Accelerator, name: Tracker, folder: Path, warn: Callable[[str], object]) -> None:
        """folder: of the run, which gives its name to the tracker's run; TensorBoard writes to `tensorboard/` in it.

        Raises:
            MissingError: the tracker is not installed.
            ConfigError: it cannot be started, as where nobody is logged in.
        """
        asked = f"--track {name}"
        self.name, self.warn = name, warn
        accelerator.log_with, accelerator.trackers = [name], []  # not those of a phase before
        accelerator.project_configuration.logging_dir = str(folder)
        project = name if name == "tensorboard" else "disdepth"  # its folder there, the project's name elsewhere
        try:
            optional(name, asked, ConfigError)
            accelerator.init_trackers(project, init_kwargs={"wandb": {"name": folder.name, "dir": str(folder)}})
        except DisdepthError:
            raise
        except Exception as error:  # whatever a tracker's client raises
            raise ConfigError(f"{asked}: cannot be started ({first_line(error)})") from error
        self.trackers = list(accelerator.trackers)
        self._hears = True

    @classmethod
    def chosen(
        cls, accelerator: Accelerator, name: Tracker | None, folder: Path, warn: Callable[[str], object]
    ) -> list[Tracking]:
        """The tracker of that name; without a name TensorBoard, where it is installed and works, else none."""
        if name is not None:
            return [cls(accelerator, name, folder, warn)]
        if find_spec("tensorboard") is None:
            return []
        try:
            return [cls(accelerator, "tensorboard", folder, warn)]
        except DisdepthError as error:  # which nobody asked for
            warn(f"nothing goes to TensorBoard: {str(error).removeprefix('--track ')}")
            return []

    def on_step(self, progress: Progress) -> None:
        self._send("train", progress.parts | {"lr": progress.lr}, progress.step)

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        self._send("val", metrics, step)

    def finish(self) -> None:
        """Close the tracker's run, also after a failure: else the next run would go on in it."""
        for tracker in self.trackers:
            self._try(tracker.finish)

    def _send(self, split: str, values: dict[str, float], step: int) -> None:
        named = {f"{split}/{name}": value for name, value in values.items()}
        for tracker in self.trackers if self._hears else ():
            self._try(partial(tracker.log, named, step=step))

    def _try(self, call: Callable[[], object]) -> None:
        """A tracker that fails ends no run: it is told once, and hears no more."""
        try:
            call()
        except Exception as error:
            if self._hears:
                self.warn(f"--track {self.name}: fails, the run goes on without it ({first_line(error)})")
            self._hears = False
