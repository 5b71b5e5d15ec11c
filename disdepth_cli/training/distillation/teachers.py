"""The acclimated teachers that a student learns from, opened and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from disdepth_cli.checkpoint.metadata import CheckpointMetadata, TeacherRecord
from disdepth_cli.config import DistillConfig
from disdepth_cli.errors import ConfigError
from disdepth_cli.machine.devices import channels_last, teacher_precision
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.observer import Observer
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.scoring.acclimated_run import check_same_student, load_acclimated
from disdepth_cli.training.acclimation.open_teacher import warn_of_licence
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.distillation.acclimated_first import TOKEN_STEPS, acclimated_runs
from disdepth_cli.training.prepare import student_architecture


@dataclass(frozen=True)
class FoundTeachers:
    """Acclimated teachers of one student, all with the same ghost decoder; none for a control.

    data: in the range and kind of the first, with what they need of a view. run: the acclimated run of the first; None
    without teachers.
    """

    acclimated: list[AcclimatedTeacher]
    metadata: list[CheckpointMetadata]
    data: TrainingData
    run: Path | None = None

    @property
    def records(self) -> list[TeacherRecord]:
        """What a checkpoint remembers of them."""
        return [found.teacher for found in self.metadata if found.teacher is not None]

    @property
    def depth_alone(self) -> bool:
        """Whether there are teachers, and none of them gives features."""
        return bool(self.acclimated) and all(one.teacher.contract.depth_alone for one in self.acclimated)


def find_teachers(
    config: DistillConfig, data: TrainingData, run: Path, device: torch.device, observer: Observer
) -> FoundTeachers:
    """The teachers of a configuration, on `device`; those that are not acclimated yet are acclimated first.

    run: the student's folder.

    Raises:
        ConfigError: one is unfinished, was made for another student, or has another ghost decoder than the first.
        DataError: one needs something of a training image that the data do not have.
    """
    if not config.method.distill:
        return FoundTeachers([], [], data)
    found: list[AcclimatedTeacher] = []
    metadata: list[CheckpointMetadata] = []
    precision = teacher_precision(config.machine.precision, device)
    runs = acclimated_runs(config, run, observer)
    for name, made in zip(config.teacher.names or [], runs, strict=True):
        acclimated, record = load_acclimated(made, precision, config.machine.offline)
        if record.teacher and made == Path(name):  # an acclimation made just now has warned itself
            warn_of_licence(record.teacher.id, record.teacher.licence, observer)
        if not found:
            data = _as_the_teacher_has_it(config, data, record)
        check_same_student(made, record, student_architecture(config.student, data))
        if found and not (found[0].speaks_for_itself or acclimated.speaks_for_itself):
            _check_same_ghost(runs[0], found[0], made, acclimated)
        _check_it_has_what_is_asked(config, made, record)
        found.append(channels_last(acclimated.to(device)))
        metadata.append(record)
    return FoundTeachers(found, metadata, data.shown_to([one.teacher for one in found]), runs[0] if runs else None)


def as_they_can_teach(config: DistillConfig, teachers: FoundTeachers, observer: Observer) -> DistillConfig:
    """The configuration without what needs features, where no teacher has any."""
    if not teachers.depth_alone:
        return config
    first = teachers.acclimated[0].teacher.contract.id
    observer.on_note(f"{first}: gives depth and no features: output distillation only")
    return config.replaced(feature_weight=0.0, init_decoder="random")


def _check_it_has_what_is_asked(config: DistillConfig, run: Path, metadata: CheckpointMetadata) -> None:
    """Trained tokens for learned attention, depth of the student's kind to be imitated."""
    if config.method.attention == "learned" and not RunContents(run).config().get("attention_steps"):
        raise ConfigError(
            f"--attention learned: {run} was acclimated without training its attention tokens; acclimate again with "
            f"--attention-steps {TOKEN_STEPS}"
        )
    if config.method.output_target == "teacher" and metadata.output_kind_of_teacher != metadata.output_kind:
        raise ConfigError(
            f"--output-target teacher: the teacher of {run} gives {metadata.output_kind_of_teacher}, the student "
            f"{metadata.output_kind}; use ghost"
        )


def _as_the_teacher_has_it(config: DistillConfig, data: TrainingData, metadata: CheckpointMetadata) -> TrainingData:
    """Without ground truth the labels are the teacher's: so are their kind and range."""
    if data.source.labelled("train"):
        return data
    if metadata.output_kind == "disparity":
        return data.as_disparity()
    return data if config.data.max_depth is not None else data.in_range(metadata.min_depth, metadata.max_depth)


def _check_same_ghost(first: Path, one: AcclimatedTeacher, second: Path, other: AcclimatedTeacher) -> None:
    """Features of two teachers are alike only where one decoder understands both."""
    weights, others = one.acclimation.ghost.state_dict(), other.acclimation.ghost.state_dict()
    if any(not torch.equal(weights[name].cpu(), others[name].cpu()) for name in weights):
        raise ConfigError(
            f"{second}: has a ghost decoder of its own, not that of {first}; several teachers need one: acclimate it "
            f"again with --ghost {first}"
        )
