"""What a run of distill would do: read from the data and the teacher, without training or sending anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disdepth_cli.checkpoint.locate import ACCLIMATED
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.comparison.arm import WITHOUT_TEACHER, check_comparable
from disdepth_cli.comparison.sweep import CONTROL, settings_of, steps_of
from disdepth_cli.config import DistillConfig
from disdepth_cli.config.parts import HubOptions
from disdepth_cli.hub.push_target import HubTarget
from disdepth_cli.models.encoder import timm_name
from disdepth_cli.observer import Observer
from disdepth_cli.outputs.card.card import FILES
from disdepth_cli.runs.contents import RunContents, beside
from disdepth_cli.teachers import load_teacher
from disdepth_cli.timing.budget import planned_latency
from disdepth_cli.training.loop.task import Schedule
from disdepth_cli.training.prepare import prepare_data, require_labels


@dataclass(frozen=True)
class _Teacher:
    id: str
    kind: str
    state: str


def plan_distill(config: DistillConfig, observer: Observer) -> dict[str, Any]:
    """Data, teacher with its contract's kind, student, steps, epochs, what it is compared with, and what a push would
    send, by name.

    Raises:
        DisdepthError: the run could not begin like this; the message is what the run itself would say.
    """
    if config.hub.push_to_hub is not None:
        push_target(config.hub).check_form()
    data = prepare_data(config, observer)
    if not config.method.distill:
        require_labels(data, WITHOUT_TEACHER)
    check_comparable(config, data)
    teachers = [_look_at_teacher(config, name) for name in config.teacher.names or []] if config.method.distill else []
    train = data.source.counts()
    schedule = Schedule.plan(config.loop, data.batches_per_epoch(config.loop.batch_size, 1))
    height, width = config.student.input_size
    return {
        "data": str(config.data.location),
        "train_images": len(data.source.train),
        "val_images": len(data.source.val),
        "protocol": data.protocol.name,
        "unlabelled_images": train[1],
        "teacher": " + ".join(teacher.id for teacher in teachers) or "none",
        "teacher_kind": " + ".join(teacher.kind for teacher in teachers) or "none",
        "teacher_state": " + ".join(teacher.state for teacher in teachers) or "none",
        "student": timm_name(config.student.backbone),
        "input_size": f"{height}x{width}",
        **planned_latency(config.student, config.run.budget),
        "steps": schedule.total_steps,
        "epochs": round(schedule.total_steps / schedule.steps_per_epoch, 2),
        "batch_size": config.loop.batch_size * config.loop.accumulate,
        "sweep": _sweep(config, schedule.total_steps) if config.compare.sweep else None,
        "control": f"{schedule.total_steps} steps, into {_beside(config.run.output, '-control')}"
        if config.compare.control
        else None,
        "push_to_hub": config.hub.push_to_hub,
        "files": list(FILES) if config.hub.push_to_hub else [],
    }


def push_target(hub: HubOptions) -> HubTarget:
    """Where distill's `push_to_hub` goes."""
    assert hub.push_to_hub is not None
    return HubTarget(hub.push_to_hub, "--push-to-hub", None, hub.private)


def _sweep(config: DistillConfig, planned: int) -> str:
    names = ", ".join((CONTROL, *settings_of(config.method)))
    steps = steps_of(config.compare.sweep_steps, planned)
    return f"{names}: {steps} steps each, into {_beside(config.run.output, '-sweep')}"


def _beside(run: Path | None, ending: str) -> str:
    """Where an arm of the comparison would go; the name of a run's folder may not be known yet."""
    return str(beside(run, ending)) if run else f"RUN{ending}"


def _look_at_teacher(config: DistillConfig, name: str) -> _Teacher:
    if RunContents(Path(name)).has_acclimation:
        record = read_metadata(Path(name) / ACCLIMATED).teacher
        assert record is not None
        return _Teacher(record.id, record.kind, f"acclimated in {name}")
    contract = load_teacher(
        name, revision=config.teacher.revision, weights=config.teacher.weights, offline=config.machine.offline
    ).contract
    return _Teacher(contract.id, contract.kind, "not acclimated; that would be done first")
