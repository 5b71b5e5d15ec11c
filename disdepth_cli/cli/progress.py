"""Progress on the terminal: a bar with ETA, speed and loss, most important first; plain lines where there is none."""

from __future__ import annotations

import time
import unicodedata
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_SECONDS = 15.0  # at most one progress line in so many seconds where there is no terminal
HEADLINES = ("rmse", "abs_rel", "delta1", "disparity_error")  # three of a validation; metrics.csv has all


def printable(text: str) -> str:
    """Text of others, as a file's name or a licence, without what would steer a terminal: control characters, and marks
    that turn the direction of writing, are written out."""
    return "".join(c if c in "\t\n" or not unicodedata.category(c).startswith("C") else ascii(c)[1:-1] for c in text)


class Terminal(Console):
    """A console that prints text as `printable` has it."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(printable(one) if isinstance(one, str) else one for one in objects), **options)


stderr = Terminal(stderr=True, highlight=False, soft_wrap=True)


class TerminalObserver:
    """Rich progress with ETA, images/s and loss parts on a terminal; plain lines elsewhere; nothing when quiet."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.bar: Progress | None = None
        self.task: Any = None
        self.images, self.began, self.last_line = 0, time.monotonic(), 0.0
        self.done_before = 0

    def starting(self, line: str) -> AbstractContextManager[object]:
        """A line while the engine is imported, gone when it is."""
        shown = not self.quiet and stderr.is_terminal
        return stderr.status(line) if shown else nullcontext()

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
        self._open_bar(done, total)

    def on_step(self, progress: Any) -> None:
        self.images += progress.images
        speed = self.images / max(time.monotonic() - self.began, 1e-9)
        parts = dict(progress.parts)
        first = [f"loss {parts.pop('loss'):.3f}"] if "loss" in parts else []
        words = [f"{speed:.1f} images/s", *first, f"epoch {progress.epoch}"]
        self._advance(
            progress.step, progress.total, [*words, *(f"{name} {value:.3f}" for name, value in parts.items())]
        )

    def on_image(self, done: int, total: int) -> None:
        if done == 1:  # the first image has gone by: the speed is that of those after it
            self.began, self.done_before = time.monotonic(), 1
            self._open_bar(0, total)
        else:
            speed = (done - 1) / max(time.monotonic() - self.began, 1e-9)
            self._advance(done, total, [f"{speed:.1f} images/s"])
        if done == total:
            self.close()

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        shown = [f"{name} {metrics[name]:.4f}" for name in HEADLINES if name in metrics][:3]
        words = [f"{shown[0]}{' (best)' if is_best else ''}", *shown[1:]] if shown else []
        line, width = f"epoch {epoch}: ", stderr.width if stderr.is_terminal else 1000
        self.on_note(line + fitting(words, width - len(line)))

    def on_warning(self, message: str) -> None:
        stderr.print(f"[yellow]warning:[/yellow] {escape(message)}")

    def on_note(self, message: str) -> None:
        if not self.quiet:
            stderr.print(escape(message))

    def _open_bar(self, done: int, total: int) -> None:
        if self.quiet or not stderr.is_terminal:
            return
        self.bar = Progress(
            BarColumn(bar_width=_bar_width()),
            MofNCompleteColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=stderr,
        )
        self.task = self.bar.add_task("", total=total or None, completed=done, text="")
        self.bar.start()

    def _advance(self, done: int, total: int, words: list[str]) -> None:
        """words: the most important first; those that do not fit beside the bar are left out."""
        if self.quiet:
            return
        if self.bar is not None:
            used = _bar_width() + 2 * len(str(total)) + len("/ ETA 0:00:00   ") + 2
            self.bar.update(self.task, completed=done, text=fitting(words, stderr.width - used))
            return
        now = time.monotonic()
        if now - self.last_line < PLAIN_SECONDS and done != total:
            return
        self.last_line = now
        left = (now - self.began) / max(done - self.done_before, 1) * (total - done)
        of = f"/{total}  ETA {int(left // 60)}:{int(left % 60):02d}" if total else ""  # a camera has no end
        stderr.print(f"{done}{of}  {escape('  '.join(words))}")


def _bar_width() -> int:
    return 5 if stderr.width < 70 else 10 if stderr.width < 100 else 24


def fitting(words: list[str], width: int) -> str:
    """As many of the words, in their order, as fit in `width` letters."""
    text = ""
    for word in words:
        longer = f"{text}  {word}" if text else word
        if len(longer) > width:
            break
        text = longer
    return text
