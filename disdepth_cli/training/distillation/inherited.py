"""Options of the student that the user left out: those of the student it starts from, and of its acclimated teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from disdepth_cli.checkpoint.locate import ACCLIMATED, student_file
from disdepth_cli.checkpoint.metadata import CheckpointMetadata, read_metadata
from disdepth_cli.config import STUDENTS, DistillConfig
from disdepth_cli.errors import CheckpointError, ConfigError
from disdepth_cli.machine.processes import from_main
from disdepth_cli.observer import Observer
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.training.distillation.acclimated_first import resolve_teachers

RANGE = ("min_depth", "max_depth")
INHERITED = ("student", "decoder_channels", "bins", "lg_conv", "input_size", "distill", *RANGE)


def settle_student(config: DistillConfig, observer: Observer) -> DistillConfig:
    """The configuration with its teachers named and its student settled, in this order: what the user gave, the student
    of `init`, the student that the first acclimated teacher was made for, the defaults.

    Raises:
        ConfigError: two of them contradict each other, or there is no acclimated run for this student.
        CheckpointError: the student of `init`, or an acclimation, cannot be read.
    """
    config = as_begun(config)
    init = None if config.student.init is None else from_main(lambda: _init(config))
    if init is not None:
        config = _with(config, _network(init) | {"lg_conv": init.lg_conv}, f"--init {config.student.init}: is of")
        if config.method.distill and not config.teacher.names:
            observer.on_note("no --teacher: the student is fine-tuned on ground truth alone")
            config = config.replaced(distill=False)
    config = resolve_teachers(config, observer)
    run = _acclimated(config)
    if run is not None:
        made_for = from_main(lambda: read_metadata(run / ACCLIMATED))
        metric = made_for.output_kind == "metric_depth"
        spans = {name: getattr(made_for, name) for name in RANGE} if metric else {}
        config = _with(config, _network(made_for) | _size(made_for) | spans, f"{run}: was acclimated for")
        height, width = config.student.input_size
        span = f", {made_for.min_depth:g} to {made_for.max_depth:g} m" if metric else ""
        observer.on_note(f"student: {config.student.backbone}, {height}x{width}{span}, as {run} was acclimated for")
    if init is not None and "input_size" not in _given(config):
        config = config.replaced(**_size(init))
    return config


def as_begun(config: DistillConfig) -> DistillConfig:
    """A run that is resumed keeps the student it began with, where the user gives none again, as Python may."""
    if not config.run.resume or config.run.output is None or not RunContents(config.run.output).is_begun:
        return config
    begun, given = RunContents(config.run.output).config(), _given(config)
    kept = {name: begun[name] for name in INHERITED if name in begun and name not in given}
    if "input_size" in kept:
        kept["input_size"] = tuple(kept["input_size"])
    return config.replaced(**kept)


def _init(config: DistillConfig) -> CheckpointMetadata:
    """The header of the student that is trained on."""
    assert config.student.init is not None
    found = read_metadata(student_file(config.student.init, offline=config.machine.offline))
    if found.kind != "student":
        raise CheckpointError(f"--init {config.student.init}: holds an acclimated teacher; give a student")
    return found


def _acclimated(config: DistillConfig) -> Path | None:
    """The first teacher that is a finished acclimated run; a resumed run has inherited what there was."""
    if not config.method.distill or config.run.resume:
        return None
    runs = (RunContents(Path(name)) for name in config.teacher.names or [])
    return next((run.path for run in runs if run.has_acclimation and run.is_finished), None)


def _network(metadata: CheckpointMetadata) -> dict[str, Any]:
    """The options that a student's decoder hangs on."""
    short = {name: called for called, name in STUDENTS.items()}
    backbone = short.get(metadata.backbone, metadata.backbone)
    return {"student": backbone, "decoder_channels": metadata.decoder_channels, "bins": metadata.bins}


def _size(metadata: CheckpointMetadata) -> dict[str, Any]:
    size = metadata.architecture().working_size
    return {"input_size": (size.height, size.width)}


def _given(config: DistillConfig) -> set[str]:
    """Options that are given, by the user or by an inheritance before this one."""
    known = DistillConfig.options()
    return {name for name, one in known.items() if one.path[-1] in getattr(config, one.path[0]).model_fields_set}


def _with(config: DistillConfig, options: dict[str, Any], whose: str) -> DistillConfig:
    """The configuration with these options.

    whose: begins the error where the user gave another value.
    """
    given = _given(config)
    for name, value in options.items():
        asked = config.get(name)
        same = STUDENTS.get(asked, asked) == STUDENTS.get(value, value) if name == "student" else asked == value
        if name in given and asked is not None and not same:
            flag = DistillConfig.options()[name].flag
            raise ConfigError(
                f"{whose} {name.replace('_', ' ')} {_shown(value)}, but {flag} is {_shown(asked)}; leave {flag} out"
                f"{'' if whose.startswith('--init') else ', or acclimate again with it'}"
            )
    return config.replaced(**options)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
