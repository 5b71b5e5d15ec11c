"""report.json of a run, and the observers that write its other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from disdepth_cli.config import DistillConfig, TrainingConfig
from disdepth_cli.errors import DataError, MissingError
from disdepth_cli.machine.processes import from_main, is_main
from disdepth_cli.machine.sums import world
from disdepth_cli.observer import SILENT, Observer, Observers
from disdepth_cli.outputs.curves import plot_curves
from disdepth_cli.outputs.page.run_page import write_run_page
from disdepth_cli.results.training import RunReport
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.training.loop.loop import LOG_EVERY
from disdepth_cli.training.loop.observers import CsvLog
from disdepth_cli.training.loop.task import LoopResult

Report = TypeVar("Report", bound=RunReport)


def run_observers(run: RunFolder, observer: Observer, *more: Observer) -> Observer:
    """An observer, then the log that every run has, then more; none where another process writes and speaks."""
    if not is_main():
        return SILENT

    def warn(message: str) -> None:
        observer.on_warning(message)

    return Observers([observer, CsvLog(run.metrics_file, LOG_EVERY, warn), *more])


def fit_report(result: LoopResult) -> dict[str, Any]:
    """The part of report.json that the loop knows."""
    return {
        "processes": world(),
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "images_per_second": round(result.images_per_second, 2),
        "best_step": result.best_step,
        "best": result.best,
        "final": result.final,
        "corrupt_files": result.corrupt,
        "skipped_steps": result.skipped_steps,
    }


def finish(run: RunFolder, report: Report, observer: Observer) -> Report:
    """Write report.json, the page, and the curves where Matplotlib is installed; the main process's report."""

    def write() -> Report:
        _write(run, report)
        try:
            plot_curves(run.metrics_file, run.path / "curves.png")
        except MissingError as error:
            observer.on_note(str(error))
        except DataError:
            pass  # a log is never needed: without one there are no curves
        return report

    return from_main(write)


def rewrite(run: RunFolder, report: Report) -> Report:
    """Write report.json and the page again, with what has become known since; the report."""
    from_main(lambda: _write(run, report))
    return report


def _write(run: RunFolder, report: RunReport) -> None:
    """A report does not say where it lies."""
    values = {name: value for name, value in report.as_dict().items() if name != "run"}
    run.write_report(values)
    write_run_page(run, values)


RANGE = ("min_depth", "max_depth")  # the header has them, whether they were given or the data's


def recipe_of(config: TrainingConfig) -> dict[str, Any]:
    """The options of a run that shape its result, for a checkpoint's header: no times, no paths."""
    kind = type(config)
    elsewhere = frozenset().union(*(kind.named(concerns=other) for other in ("machine", "hub", "comparison")))
    recipe = config.flat(*elsewhere, *kind.named(local=True), *RANGE)
    if config.student.weights is not None:
        recipe["student_weights"] = Path(config.student.weights).name
    distilled = config.method.distill if isinstance(config, DistillConfig) else True
    if config.teacher.cache is not None and distilled:
        recipe["teacher_cache"] = True  # it rounds what the teacher says
    return recipe
