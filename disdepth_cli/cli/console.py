"""The terminal: progress with ETA, notes and warnings on stderr; results on stdout."""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from disdepth_cli.config import LoopConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.errors import ConfigError, Interrupted
from disdepth_cli.files import as_json
from disdepth_cli.machine.interrupt import interruptible
from disdepth_cli.machine.launch import launched

PLAIN_SECONDS = 15.0  # at most one progress line in so many seconds where there is no terminal
METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3")
RELATIVE = ("disparity_error",)  # what a relative student is measured by where nothing is in metres


def printable(text: str) -> str:
    """Text of others, as a file's name or a licence, without what would steer a terminal: control characters, and marks
    that turn the direction of writing, are written out."""
    return "".join(c if c in "\t\n" or not unicodedata.category(c).startswith("C") else ascii(c)[1:-1] for c in text)


class Terminal(Console):
    """A console that prints text as `printable` has it."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(printable(one) if isinstance(one, str) else one for one in objects), **options)


stderr = Terminal(stderr=True, highlight=False, soft_wrap=True)
stdout = Terminal(highlight=False)


def run_verb(
    engine_verb: Callable[[], Callable[..., dict[str, Any]]],
    kind: Any,
    options: dict[str, Any],
    show: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Build the config, call the engine, print its result and return it.

    options: config fields by name, with the console's own `config` (a YAML file), `quiet` and `as_json` among them.
    A resumed run takes its options from its folder, so `--resume -o RUN` is enough.
    """
    if launched()[1] > 1 and not issubclass(kind, LoopConfig):
        verb = kind.__name__.removesuffix("Config").lower()
        raise ConfigError(f"{launched()[1]} processes were launched; {verb} takes one: start it without a launcher")
    own = {name: options.pop(name) for name in ("config", "quiet", "as_json") if name in options}
    file = own.get("config")
    if file is None and options.get("resume") and options.get("output"):
        started = os.path.join(os.path.expanduser(options["output"]), "config.yaml")
        file = Path(started) if os.path.isfile(started) else None
    config = build_config(kind, options, file)
    if getattr(config, "offline", False):
        os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's client reads it when the engine is imported, below
    if own["quiet"] or own["as_json"]:
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # read then, too
    watcher = TerminalObserver(own["quiet"] or own["as_json"])
    verb = engine_verb()
    try:
        with interruptible():
            result = verb(config, observers=[watcher])
    except KeyboardInterrupt:
        resumes = "resume" in kind.model_fields
        how = "; if its folder holds a state, --resume goes on from it" if resumes else ""
        raise Interrupted(f"stopped at once{how}") from None
    finally:
        watcher.close()
    if own["as_json"]:
        sys.stdout.write(as_json(result) + "\n")
    else:
        show(result)
    return result


class TerminalObserver:
    """Rich progress with ETA, images/s and loss parts on a terminal; plain lines elsewhere; nothing when quiet."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.bar: Progress | None = None
        self.task: Any = None
        self.images, self.began, self.last_line = 0, time.monotonic(), 0.0
        self.done_before = 0

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def on_start(self, done: int, total: int, steps_per_epoch: int) -> None:
        self.close()
        self.images, self.began, self.done_before = 0, time.monotonic(), done
        if done:
            self.on_note(f"going on after step {done} of {total}")
        self._open_bar("training", done, total)

    def on_step(self, progress: Any) -> None:
        self.images += progress.images
        speed = self.images / max(time.monotonic() - self.began, 1e-9)
        parts = " ".join(f"{name} {value:.3f}" for name, value in progress.parts.items())
        self._advance(progress.step, progress.total, f"epoch {progress.epoch}  {parts}  {speed:.1f} images/s")

    def on_image(self, done: int, total: int) -> None:
        if done == 1:
            self.began, self.done_before = time.monotonic(), 0
            self._open_bar("images", 0, total)
        self._advance(done, total, "")
        if done == total:
            self.close()

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        shown = "  ".join(f"{name} {metrics[name]:.4f}" for name in (*METRICS, *RELATIVE) if name in metrics)
        self.on_note(f"epoch {epoch}: {shown}{'  (best so far)' if is_best else ''}")

    def on_warning(self, message: str) -> None:
        stderr.print(f"[yellow]warning:[/yellow] {escape(message)}")

    def on_note(self, message: str) -> None:
        if not self.quiet:
            stderr.print(escape(message))

    def _open_bar(self, label: str, done: int, total: int) -> None:
        if self.quiet or not stderr.is_terminal:
            return
        self.bar = Progress(
            TextColumn(label),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            console=stderr,
        )
        self.task = self.bar.add_task(label, total=total, completed=done, text="")
        self.bar.start()

    def _advance(self, done: int, total: int, text: str) -> None:
        if self.quiet:
            return
        if self.bar is not None:
            self.bar.update(self.task, completed=done, text=text)
            return
        now = time.monotonic()
        if now - self.last_line < PLAIN_SECONDS and done != total:
            return
        self.last_line = now
        left = (now - self.began) / max(done - self.done_before, 1) * (total - done)
        stderr.print(
            f"{done}/{total}  {escape(text)}  ETA {int(left // 60)}:{int(left % 60):02d}".replace("    ", "  ")
        )


def metrics_table(columns: dict[str, dict[str, Any]]) -> Table:
    """One column per model, one row per metric: fits a terminal of 80 columns."""
    table = Table("")
    for label in columns:
        table.add_column(escape(label), justify="right")
    for name in (*METRICS, *RELATIVE):
        if not any(name in metrics for metrics in columns.values()):
            continue
        table.add_row(name, *(f"{metrics[name]:.4f}" if name in metrics else "" for metrics in columns.values()))
    return table


def protocol_line(protocol: dict[str, Any]) -> str:
    """A protocol in one line, as it is printed with every result."""
    if protocol["name"] == "teacher-disparity":
        return "protocol teacher-disparity: relative disparity after scale and shift, every pixel, no unit"
    return (
        f"protocol {protocol['name']}: {protocol['min_depth']:g} m < gt < {protocol['max_depth']:g} m, crop "
        f"{protocol['crop']}, align {protocol['align']} ({protocol['space']}), tta {'on' if protocol['tta'] else 'off'}"
    )
