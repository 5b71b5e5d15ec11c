"""Which acclimated teachers a student learns from: runs that were named, or made now from the teachers that were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from disdepth_cli.checkpoint.metadata import CheckpointMetadata
from disdepth_cli.config import AcclimateConfig, DistillConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.config.types import Precision
from disdepth_cli.engine.acclimate import acclimate
from disdepth_cli.engine.open_teacher import warn_of_licence
from disdepth_cli.errors import ConfigError
from disdepth_cli.machine.devices import channels_last
from disdepth_cli.machine.processes import from_main
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.observer import Observer
from disdepth_cli.runs.contents import RunContents, beside, latest_acclimation
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.scoring.acclimated_run import check_same_student, load_acclimated
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.prepare import student_architecture

TOKEN_STEPS = 100
"""Steps that train the attention tokens of a teacher that is acclimated on the way, where the loss wants them."""


@dataclass(frozen=True)
class FoundTeachers:
    """Acclimated teachers of one student, all with the same ghost decoder; data in the range and kind of the first.

    own_metrics: of the first teacher itself on val, as its acclimation measured them; None where it could not.
    """

    acclimated: list[AcclimatedTeacher]
    metadata: list[CheckpointMetadata]
    data: TrainingData
    own_metrics: dict[str, float] | None


def resolve_teachers(config: DistillConfig, observer: Observer) -> DistillConfig:
    """The configuration with its teachers named: settled once, so that a resumed run keeps them.

    Raises:
        ConfigError: there is no acclimated run for this student, or options that fit one teacher come with several.
    """
    if config.teacher.names and len(config.teacher.names) > 1 and (config.teacher.revision or config.teacher.weights):
        raise ConfigError("--revision, --teacher-weights: go with one --teacher; acclimate each of several by itself")
    if not config.method.distill or config.teacher.names:
        return config
    latest = from_main(lambda: _latest_teacher(config).absolute())
    observer.on_note(f"teacher: the latest acclimated run, {latest}")
    return config.replaced(teacher=[str(latest)])


def acclimated_first(config: DistillConfig, run: RunFolder, observer: Observer) -> DistillConfig:
    """The configuration with an acclimated run for each teacher, made now where need be, for several runs to share.

    Raises:
        ConfigError: one is unfinished, or its place holds another teacher's.
    """
    names = config.teacher.names or []
    runs: list[Path] = []
    for name in names:
        ghost = runs[0] if runs else None
        runs.append(_acclimated_run(config, name, run, ghost, len(names), observer).absolute())
    return config.replaced(teacher=[str(made) for made in runs], revision=None, teacher_weights=None)


def find_teachers(
    config: DistillConfig,
    data: TrainingData,
    run: RunFolder,
    device: torch.device,
    precision: Precision,
    observer: Observer,
) -> FoundTeachers:
    """The acclimated teachers of a run, on `device`; those that are not acclimated yet are acclimated first.

    Raises:
        ConfigError: one is unfinished, was made for another student, or has another ghost decoder than the first.
    """
    found: list[AcclimatedTeacher] = []
    metadata: list[CheckpointMetadata] = []
    runs: list[Path] = []
    for name in config.teacher.names or []:
        ghost = runs[0] if runs else None
        runs.append(_acclimated_run(config, name, run, ghost, len(config.teacher.names or []), observer))
        acclimated, record = load_acclimated(runs[-1], precision, config.machine.offline)
        if record.teacher and runs[-1] == Path(name):  # an acclimation made just now has warned itself
            warn_of_licence(record.teacher.id, record.teacher.licence, observer)
        if not found:
            data = _as_the_teacher_has_it(config, data, record)
        check_same_student(runs[-1], record, student_architecture(config.student, data))
        if found and not (found[0].speaks_for_itself or acclimated.speaks_for_itself):
            _check_same_ghost(runs[0], found[0], runs[-1], acclimated)
        _check_it_has_what_is_asked(config, runs[-1], record)
        found.append(channels_last(acclimated.to(device)))
        metadata.append(record)
    own = from_main(lambda: _own_metrics(runs[0])) if runs else None
    return FoundTeachers(found, metadata, data, own)


def _own_metrics(run: Path) -> dict[str, float] | None:
    """What the teacher itself scored on val, where that was in metres."""
    report = RunContents(run).report()
    return report.get("teacher_metrics") if report.get("teacher_protocol") == report.get("protocol") else None


def as_they_can_teach(
    config: DistillConfig, acclimated: Sequence[AcclimatedTeacher], observer: Observer
) -> DistillConfig:
    """The configuration without what needs features, where no teacher has any."""
    if not acclimated or not all(one.teacher.contract.depth_alone for one in acclimated):
        return config
    observer.on_note(f"{acclimated[0].teacher.contract.id}: gives depth and no features: output distillation only")
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


def _acclimated_run(
    config: DistillConfig, teacher: str, run: RunFolder, ghost: Path | None, count: int, observer: Observer
) -> Path:
    """The run of a teacher: itself where it is one, else one that is made beside the student's."""
    if RunContents(Path(teacher)).has_acclimation:
        if not RunContents(Path(teacher)).is_finished:
            raise ConfigError(f"{teacher}: is unfinished; go on with: disdepth acclimate --resume -o {teacher}")
        return Path(teacher)
    place = 1 + (config.teacher.names or []).index(teacher)
    made = beside(run.path, f"-teacher{place if count > 1 else ''}")
    # Asked of the main process: it may have begun to acclimate before another one looks.
    held = RunContents(made)
    finished, begun = from_main(lambda: (held.is_finished, held.is_begun))
    if finished:
        if held.config().get("teacher") != teacher:
            raise ConfigError(f"{made}: holds another teacher's acclimation; remove it, or name another -o")
        return made
    observer.on_note(f"{teacher} is not acclimated; doing that first, into {made}")
    shared = DistillConfig.named(inherited=True) & AcclimateConfig.options().keys()
    options = {name: config.get(name) for name in shared}
    options |= {"teacher": teacher, "output": made, "resume": begun, "ghost": ghost}
    if config.loop.max_steps:
        options["max_steps"] = config.loop.max_steps
    if config.method.attention == "learned":
        options["attention_steps"] = min(config.loop.max_steps or TOKEN_STEPS, TOKEN_STEPS)
    acclimate(build_config(AcclimateConfig, options), observer)
    return made


def _check_same_ghost(first: Path, one: AcclimatedTeacher, second: Path, other: AcclimatedTeacher) -> None:
    """Features of two teachers are alike only where one decoder understands both."""
    ours, theirs = one.acclimation.ghost.state_dict(), other.acclimation.ghost.state_dict()
    if any(not torch.equal(ours[name].cpu(), theirs[name].cpu()) for name in ours):
        raise ConfigError(
            f"{second}: has a ghost decoder of its own, not that of {first}; several teachers need one: acclimate it "
            f"again with --ghost {first}"
        )


def _latest_teacher(config: DistillConfig) -> Path:
    """The latest acclimated run for this student.

    Raises:
        ConfigError: there is none; the message names the command that makes one.
    """
    run = latest_acclimation(Path("runs"), config.student.backbone)
    if run is None:
        raise ConfigError(
            f"no acclimated teacher for {config.student.backbone} under runs/; make one with: disdepth acclimate "
            f"--teacher ID --student {config.student.backbone} --data {config.data.location}"
        )
    return run
