"""What of a teacher's word came through to the student: everybody's error on training images, and on val."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from disdepth_cli.config.parts import MachineOptions
from disdepth_cli.data.files.item import few_labelled
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.protocols import for_output
from disdepth_cli.machine.devices import score_precision, set_device
from disdepth_cli.observer import Observer
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.results.training import DistillReport
from disdepth_cli.scoring.open_model import open_student
from disdepth_cli.scoring.score import score
from disdepth_cli.training.data import TrainingData

IMAGES = 50
SHOWN = ("abs_rel", "rmse", "silog", "delta1")
ORDER = ("teacher", "ghost", "student", "control")
LOSES = 1.1  # times the RMSE of whom it learns from: it does not keep what it is told
ALIKE = 0.85  # of the val RMSE: training images are hardly better known than others


def measured(
    seen: Mapping[str, DepthPredictor],
    val: Mapping[str, Mapping[str, float] | None],
    data: TrainingData,
    observer: Observer,
) -> dict[str, Any]:
    """`came_through` of teacher, ghost and student, told. seen: their predictors; val: their metrics there."""
    found = came_through({who: on_training_images(one, data) for who, one in seen.items()}, val)
    if found["verdict"]:
        observer.on_note(f"what came through: {found['verdict']}")
    return found


def opened(machine: MachineOptions, file: Path) -> DepthPredictor:
    """A student of a run, as it is scored on the run's device."""
    device = set_device(machine.device)
    return open_student(file, str(device), score_precision(machine.precision, device))


def on_training_images(predictor: DepthPredictor, data: TrainingData) -> dict[str, float] | None:
    """Metrics on some labelled training images, whole ones; None where they tell nothing in metres."""
    if predictor.kind != "metric_depth" or not data.source.labelled("train"):
        return None
    items = few_labelled(data.source.train, IMAGES)[:IMAGES]
    try:
        found = score(predictor, data.source, items, for_output(data.protocol, predictor.kind), workers=data.workers)
        return some_metrics(found.mean.as_dict())
    except DataError:
        return None


def some_metrics(metrics: Mapping[str, float] | None) -> dict[str, float] | None:
    """Those that the report shows."""
    return {name: metrics[name] for name in SHOWN if name in metrics} if metrics else None


def with_control(known: Mapping[str, Any] | None, control: Mapping[str, Any]) -> dict[str, Any] | None:
    """`came_through` of a run, with its control, which was trained since."""
    if known is None:
        return None
    sides = {"train": control["train_metrics"], "val": control["metrics"]}
    return came_through(*({**known[side], "control": sides[side]} for side in ("train", "val")))


def came_through(
    train: Mapping[str, Mapping[str, float] | None], val: Mapping[str, Mapping[str, float] | None]
) -> dict[str, Any]:
    """{"train": {who: metrics}, "val": {who: metrics}, "verdict": words} of teacher, ghost, student and control."""
    sides: dict[str, Any] = {
        name: {who: some_metrics(side.get(who)) for who in ORDER if side.get(who)}
        for name, side in (("train", train), ("val", val))
    }
    return {**sides, "verdict": verdict(sides["train"], sides["val"])}


def verdict(train: Mapping[str, Mapping[str, float]], val: Mapping[str, Mapping[str, float]]) -> str | None:
    """Who keeps least of what it is told, in a sentence; None where that cannot be told."""

    def rmse(side: Mapping[str, Mapping[str, float]], who: str) -> float | None:
        return side.get(who, {}).get("rmse")

    student, elsewhere = rmse(train, "student"), rmse(val, "student")
    ghost, teacher = rmse(train, "ghost"), rmse(train, "teacher")
    if student is None or elsewhere is None:
        return None
    told = [f"{who} {value:.3f}" for who in ORDER if (value := rmse(train, who)) is not None]
    figures = f"RMSE on training images: {', '.join(told)}; the student's on val {elsewhere:.3f}"
    if ghost is not None and teacher is not None and ghost > LOSES * teacher and ghost**2 > student * teacher:
        return f"the ghost decoder loses some of what the teacher says: acclimate it longer ({figures})"
    best = min((value for value in (ghost, teacher) if value is not None), default=None)
    if best is not None and student > LOSES * best and student > ALIKE * elsewhere:
        return f"the student underfits: more steps, or a larger student, before other teachers or weights ({figures})"
    if student < ALIKE * elsewhere:
        return f"the student knows its training images better than others: more images help, unlabelled too ({figures})"
    return f"what the teacher says comes through ({figures})"


def doubt_teacher(report: DistillReport, observer: Observer) -> None:
    """Say so when the student has passed its teacher: it may be better off without."""
    ghost = (report.ghost_metrics or {}).get("rmse") if report.scored_against == "ground truth" else None
    if ghost is not None and report.best and report.best["rmse"] < ghost:
        observer.on_warning(
            f"the student's RMSE {report.best['rmse']:.3f} is below its teacher's through the ghost decoder, "
            f"{ghost:.3f}: see whether this teacher helps at all with --resume -o {report.run} --control"
        )
