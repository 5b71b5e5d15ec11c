"""report.html and curves.png of a run, written again at each validation, and the pictures that the page shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from disdepth_cli.errors import DataError, MissingError
from disdepth_cli.machine.processes import is_main
from disdepth_cli.observer import Observer, Silent
from disdepth_cli.outputs.curves import plot_curves, read_curves
from disdepth_cli.outputs.page.run_page import write_run_page
from disdepth_cli.outputs.page.shown import PageData
from disdepth_cli.predictor import Predictor
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.scoring.score import Scores, val_items
from disdepth_cli.scoring.shown_images import ShownImages, spread
from disdepth_cli.scoring.summary import errors_of
from disdepth_cli.training.data import TrainingData

IMAGES = 4
SHARE = 0.01  # of a run's time that the page may take, and that the curves may
USUAL = 0.1  # seconds that either takes, before it was timed: nothing is drawn in the first ten seconds


class Pace:
    """Lets something be done once it takes no more than a share of the time since it was done, or since the start."""

    def __init__(self) -> None:
        self._took, self._done = USUAL, time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether it may be done now."""
        return time.monotonic() - self._done >= self._took / SHARE

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Around what is done."""
        began = time.monotonic()
        yield
        self._done = time.monotonic()
        self._took = self._done - began


class RunPage(Silent):
    """Keeps a run's page; the main process alone draws. It tells the loop nothing, and never ends a run.

    known: what report.json will hold, as far as it is known. judged: the model that is trained, by its name on the
    page. better: the metric that chooses the best step.
    """

    def __init__(
        self,
        run: RunFolder,
        data: TrainingData,
        judged: str,
        known: Mapping[str, Any],
        better: str,
        observer: Observer,
    ) -> None:
        self.run, self.judged, self.known, self.better = run, judged, dict(known), better
        self._warn: Callable[[str], None] = observer.on_warning
        self.data = PageData()
        self._images = ShownImages(data.source, spread(val_items(data.source), IMAGES), data.protocol, judged)
        self._page, self._curves = Pace(), Pace()
        self._validated: tuple[Predictor, Scores] | None = None
        self._is_stale, self._total = True, 0

    def look(self, name: str, predictor: Predictor | None) -> None:
        """Draw what a model makes of the images, once."""
        with self._worth_no_run():
            if is_main() and predictor is not None:
                self._images.look(name, predictor)

    def validated(self, predictor: Predictor, scores: Scores) -> None:
        """The model in training as it was validated just now; `on_validation` follows."""
        self._validated = predictor, scores

    def on_start(self, done: int, total: int, steps_per_epoch: int) -> None:
        self._total = total
        if done:
            self.known |= _best_so_far(self.run, self.better, done)
            kept = PageData.read(self.run.page_data_file)
            self.data.errors, self.data.worst = kept.errors, kept.worst
            self._images = self._images.with_pictures(kept.images)

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        if is_best or "best" not in self.known:
            self.known |= {"best": metrics, "best_step": step}
        if self._validated is not None and is_best:
            self.data.errors, self.data.worst = errors_of(self._validated[1])
            self._is_stale = True
            with self._worth_no_run():
                self._keep()  # for a run that goes on after a stop
        last = step == self._total  # the finished run writes its page itself
        with self._worth_no_run():
            if self._page.is_due and not last:
                with self._page.timed():
                    if self._is_stale and self._validated is not None and is_best:
                        self._draw(self._validated[0])
                    self._write(f"training: step {step} of {self._total}")
            if self._curves.is_due and not last:
                with self._curves.timed(), suppress(MissingError):  # which the end of the run tells
                    plot_curves(self.run.metrics_file, self.run.path / "curves.png")
        self._validated = None

    def catch_up(self, best: Callable[[], Predictor]) -> None:
        """Draw the best model, where what was drawn is older, and keep the pictures for `finish`."""
        if not is_main():
            return
        with self._worth_no_run():
            if self._is_stale:
                self._draw(best())
            self._keep()

    @contextmanager
    def _worth_no_run(self) -> Iterator[None]:
        """Whatever goes wrong with the page is told once, and ends no run."""
        try:
            yield
        except Exception as error:
            self._warn(f"the page of the run is left as it was: {error}")
            self._warn = lambda _: None

    def _draw(self, predictor: Predictor) -> None:
        self._images.look(self.judged, predictor)
        self._is_stale = False

    def _keep(self) -> None:
        self.data.images = self._images.images
        self.data.write(self.run.page_data_file)

    def _write(self, state: str) -> None:
        self._keep()
        write_run_page(self.run, self.known, state)


def add_to_page(run: RunFolder, data: TrainingData, name: str, predictor: Predictor) -> None:
    """Draw one more model on the images of a finished run's page; `report.rewrite` shows it."""
    kept = PageData.read(run.page_data_file)
    if kept.images:
        items = spread(val_items(data.source), IMAGES)
        images = ShownImages(data.source, items, data.protocol, "").with_pictures(kept.images)
        images.look(name, predictor)
        kept.images = images.images
        kept.write(run.page_data_file)


def _best_so_far(run: RunFolder, better: str, done: int) -> dict[str, Any]:
    """`best` and `best_step` of a run that goes on, from its metrics.csv; empty where there is none."""
    try:
        val = read_curves(run.metrics_file).get("val", {})
    except DataError:
        return {}
    rows: dict[float, dict[str, float]] = {}
    for name, (steps, values) in val.items():
        for step, value in zip(steps, values, strict=True):
            rows.setdefault(step, {})[name] = value
    known = {step: row for step, row in rows.items() if better in row and step <= done}
    if not known:
        return {}
    best = min(known, key=lambda step: known[step][better])
    return {"best": known[best], "best_step": int(best)}
