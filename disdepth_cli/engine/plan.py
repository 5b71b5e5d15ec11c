"""What a run of distill would do: read from the data and the teacher, without training or sending anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.comparison.arm import check_comparable
from disdepth_cli.comparison.sweep import CONTROL, settings_of, steps_of
from disdepth_cli.config import DistillConfig
from disdepth_cli.engine.push import FILES, target_of
from disdepth_cli.models.encoder import timm_name
from disdepth_cli.observer import Observer
from disdepth_cli.runs.folder import beside
from disdepth_cli.scoring.acclimated_run import ACCLIMATED, is_acclimated_run
from disdepth_cli.teachers import load_teacher
from disdepth_cli.timing.budget import planned_latency
from disdepth_cli.training.data import prepare_data, require_labels
from disdepth_cli.training.task import Schedule


@dataclass(frozen=True)
class _Teacher:
    id: str
    kind: str
    state: str


def plan_distill(config: DistillConfig, observers: Sequence[Observer] = ()) -> dict[str, Any]:
    """{"plan": {...}}: data, teacher with its contract's kind, student, steps, epochs, what it is compared
    with, and what a push would send.

    Raises:
        DisdepthError: the run could not begin like this; the message is what the run itself would say.
    """
    if config.push_to_hub is not None:
        target_of(config).check_form()
    data = prepare_data(config, observers)
    if not config.distill:
        require_labels(data, "the control learns from ground truth alone; give labelled images")
    check_comparable(config, data)
    teachers = [_look_at_teacher(config, name) for name in config.teacher or []] if config.distill else []
    train = data.source.counts()
    schedule = Schedule.plan(config, data.batches_per_epoch(config, 1))
    height, width = config.input_size
    return {
        "plan": {
            "data": str(config.data),
            "train_images": len(data.source.train),
            "val_images": len(data.source.val),
            "protocol": data.protocol.name,
            "unlabelled_images": train[1],
            "teacher": " + ".join(teacher.id for teacher in teachers) or "none",
            "teacher_kind": " + ".join(teacher.kind for teacher in teachers) or "none",
            "teacher_state": " + ".join(teacher.state for teacher in teachers) or "a control has none",
            "student": timm_name(config.student),
            "input_size": f"{height}x{width}",
            **planned_latency(config),
            "steps": schedule.total_steps,
            "epochs": round(schedule.total_steps / schedule.steps_per_epoch, 2),
            "batch_size": config.batch_size * config.accumulate,
            "sweep": _sweep(config, schedule.total_steps) if config.sweep else None,
            "control": f"{schedule.total_steps} steps, into {_beside(config, '-control')}" if config.control else None,
            "push_to_hub": config.push_to_hub,
            "files": list(FILES) if config.push_to_hub else [],
        }
    }


def _sweep(config: DistillConfig, planned: int) -> str:
    names = ", ".join((CONTROL, *settings_of(config)))
    return f"{names}: {steps_of(config, planned)} steps each, into {_beside(config, '-sweep')}"


def _beside(config: DistillConfig, ending: str) -> str:
    """Where an arm of the comparison would go; the name of a run's folder may not be known yet."""
    return str(beside(config.output, ending)) if config.output else f"RUN{ending}"


def _look_at_teacher(config: DistillConfig, name: str) -> _Teacher:
    if is_acclimated_run(name):
        record = read_metadata(Path(name) / ACCLIMATED).teacher
        assert record is not None
        return _Teacher(record.id, record.kind, f"acclimated in {name}")
    contract = load_teacher(
        name, revision=config.revision, weights=config.teacher_weights, offline=config.offline
    ).contract
    return _Teacher(contract.id, contract.kind, "not acclimated; that would be done first")
