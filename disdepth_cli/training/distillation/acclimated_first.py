"""Acclimated runs for the teachers of a student: those that were named, or made now from the teachers that were."""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.config import AcclimateConfig, DistillConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.config.teacher_name import none_acclimated
from disdepth_cli.errors import ConfigError
from disdepth_cli.machine.processes import from_main
from disdepth_cli.observer import Observer
from disdepth_cli.runs.contents import RunContents, beside, latest_acclimation
from disdepth_cli.training.acclimation.run import run_acclimation

TOKEN_STEPS = 100
"""Steps that train the attention tokens of a teacher that is acclimated on the way, where the loss wants them."""


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


def acclimated_first(config: DistillConfig, run: Path, observer: Observer) -> DistillConfig:
    """The configuration with an acclimated run for each teacher, made now where need be, for several runs to share.

    run: the student's folder, beside which they are made.

    Raises:
        ConfigError: one is unfinished, or its folder holds another teacher's.
    """
    runs = [made.absolute() for made in acclimated_runs(config, run, observer)]
    return config.replaced(teacher=[str(made) for made in runs], revision=None, teacher_weights=None)


def acclimated_runs(config: DistillConfig, run: Path, observer: Observer) -> list[Path]:
    """A finished acclimated run for each teacher of the configuration; those that are missing are made now.

    All of them have the first one's ghost decoder. run: the student's folder, beside which they are made.

    Raises:
        ConfigError: one is unfinished, or its folder holds another teacher's.
    """
    names = config.teacher.names or []
    runs: list[Path] = []
    for number, name in enumerate(names, start=1):
        ghost = runs[0] if runs else None
        made = beside(run, f"-teacher{number if len(names) > 1 else ''}")
        runs.append(_acclimated_run(config, name, made, ghost, observer))
    return runs


def _acclimated_run(config: DistillConfig, teacher: str, made: Path, ghost: Path | None, observer: Observer) -> Path:
    """The run of a teacher: itself where it is one, else `made`."""
    if RunContents(Path(teacher)).has_acclimation:
        if not RunContents(Path(teacher)).is_finished:
            raise ConfigError(f"{teacher}: is unfinished; go on with: disdepth acclimate --resume -o {teacher}")
        return Path(teacher)
    # Asked of the main process: it may have begun to acclimate before another one looks.
    held = RunContents(made)
    finished, begun = from_main(lambda: (held.is_finished, held.is_begun))
    if finished:
        if held.config().get("teacher") != teacher:
            raise ConfigError(f"{made}: holds another teacher's acclimation; remove it, or name another -o")
        return made
    observer.on_note(f"{teacher} is not acclimated; doing that first, into {made}")
    run_acclimation(acclimation_of(config, teacher, made, ghost, begun), observer)
    return made


def acclimation_of(config: DistillConfig, teacher: str, made: Path, ghost: Path | None, begun: bool) -> AcclimateConfig:
    """The options of an acclimation on the way, into `made`: the student's where it has the same ones."""
    shared = DistillConfig.named(inherited=True) & AcclimateConfig.options().keys()
    options = {name: config.get(name) for name in shared}
    options |= {"teacher": teacher, "output": made, "resume": begun, "ghost": ghost}
    if config.loop.max_steps:
        options["max_steps"] = config.loop.max_steps
    if config.method.attention == "learned":
        options["attention_steps"] = min(config.loop.max_steps or TOKEN_STEPS, TOKEN_STEPS)
    return build_config(AcclimateConfig, options)


def _latest_teacher(config: DistillConfig) -> Path:
    """The latest acclimated run for this student.

    Raises:
        ConfigError: there is none; the message names the command that makes one.
    """
    run = latest_acclimation(Path("runs"), config.student.backbone)
    if run is None:
        raise ConfigError(none_acclimated(config.student.backbone, config.data.location))
    return run
