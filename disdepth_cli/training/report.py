"""report.json of a run, and the observers that write its other files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from disdepth_cli.machine.processes import from_main, is_main
from disdepth_cli.machine.sums import world
from disdepth_cli.observer import Observer
from disdepth_cli.outputs.curves import plot_curves
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.training.loop import LOG_EVERY
from disdepth_cli.training.observers import CsvLog, TensorBoard
from disdepth_cli.training.task import FitResult


def run_observers(run: RunFolder, observers: Sequence[Observer]) -> list[Observer]:
    """The given observers, and those that every run has; none where another process writes and speaks."""
    if not is_main():
        return []
    return [*observers, CsvLog(run.metrics_file, LOG_EVERY), *TensorBoard.when_installed(run.path / "tensorboard")]


def fit_report(result: FitResult) -> dict[str, Any]:
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


def finish(run: RunFolder, report: dict[str, Any]) -> dict[str, Any]:
    """Write report.json and the curves; the report, the main process's in all of them."""

    def write() -> dict[str, Any]:
        run.write_report(report)
        plot_curves(run.metrics_file, run.path / "curves.png")
        return {"run": str(run.path), **report}

    return from_main(write)


def rewrite(run: RunFolder, report: dict[str, Any]) -> dict[str, Any]:
    """Write report.json again, with what has become known since; the report."""
    from_main(lambda: run.write_report({name: value for name, value in report.items() if name != "run"}))
    return report


def recipe_of(config: Any) -> dict[str, Any]:
    """The options of a run that shape its result, for a checkpoint's header: no times, no paths."""
    options = config.model_dump(mode="json", exclude={"data", "output", "resume", "offline", "device", "workers"})
    hidden = {"teacher", "teacher_weights", "student_weights", "save_every", "dry_run"}
    hidden |= {"push_to_hub", "private", "licence"}  # of the page on the Hub, not of the student
    hidden |= {"control", "keep", "sweep", "sweep_steps"}  # of what it is compared with; the weights chosen are there
    hidden |= {"teacher_cache", "budget"}
    recipe = {name: value for name, value in options.items() if name not in hidden}
    if getattr(config, "student_weights", None) is not None:
        recipe["student_weights"] = Path(config.student_weights).name
    if getattr(config, "teacher_cache", None) is not None and getattr(config, "distill", True):
        recipe["teacher_cache"] = True  # it rounds what the teacher says
    return recipe
