"""The teacher to be scored beside a model: one that was named, an acclimated run's own, or a student's."""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.checkpoint.locate import student_file
from disdepth_cli.checkpoint.metadata import TeacherRecord, read_metadata
from disdepth_cli.config import EvaluateConfig
from disdepth_cli.config.teacher_name import is_own
from disdepth_cli.errors import ConfigError, TeacherError
from disdepth_cli.exporting.exported import ExportedPredictor
from disdepth_cli.hub.fetch import is_hub_id
from disdepth_cli.machine.devices import score_precision
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.predictor import DepthPredictor, Predictor
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.scoring.acclimated_run import load_acclimated
from disdepth_cli.scoring.open_model import teacher_predictor
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.teacher import DepthTeacher

GIVE = "give it with --teacher"


def teacher_of(config: EvaluateConfig, predictor: Predictor) -> DepthPredictor:
    """The teacher beside the model that `predictor` runs. Nothing is downloaded unless it was named.

    Raises:
        DisdepthError: it cannot be had; the message says why.
    """
    model = predictor.model if isinstance(predictor, DepthPredictor) else None
    if config.teacher is not None:
        teacher = _named(config.teacher, config)
    elif isinstance(model, AcclimatedTeacher):
        teacher = model.teacher
    elif isinstance(model, DepthTeacher):
        raise TeacherError(f"{config.model} is a teacher itself; --teacher sets another one beside it")
    elif isinstance(predictor, ExportedPredictor):
        said = predictor.about.teacher
        record = TeacherRecord.model_validate(said) if said else None
        teacher = find_teacher(record, Path(config.model).parent)[1]
    else:
        file = student_file(config.model, config.revision, config.offline)
        teacher = find_teacher(read_metadata(file).teacher, file.parent)[1]
    precision = score_precision(config.precision, predictor.device)
    return teacher_predictor(teacher, predictor.device, precision)


def _named(name: str, config: EvaluateConfig) -> DepthTeacher:
    """The teacher of a name or an acclimated run; the model may be that run, whose depth is the ghost decoder's.

    Raises:
        TeacherError: it is the model itself.
    """
    same = name == config.model or (Path(name).exists() and Path(name).resolve() == Path(config.model).resolve())
    if same and not RunContents(Path(name)).has_acclimation:
        raise TeacherError(f"{name} is the model itself")
    return _load(name, offline=config.offline)


def _load(name: str, revision: str | None = None, offline: bool = False, named: bool = True) -> DepthTeacher:
    if RunContents(Path(name)).has_acclimation:
        return load_acclimated(Path(name), "fp32", offline)[0].teacher
    return load_teacher(name, revision=revision, offline=offline, named=named)


def find_teacher(record: TeacherRecord | None, run: Path) -> tuple[str, DepthTeacher]:
    """The teacher that a student's file in folder `run` names, as it was when the student learned from it, and where.

    Raises:
        TeacherError: there was none, it is not on this machine, or it is another one by now.
    """
    if record is None:
        raise TeacherError("the student was trained without a teacher")
    for path in _locations(run, record):
        if record.trained != "frozen" and not RunContents(Path(path)).has_acclimation:
            raise TeacherError(f"acclimation changed the student's teacher ({record.trained}); {GIVE} RUN")
        teacher = _load(path, record.revision if is_hub_id(path) else None, offline=True, named=False)
        if teacher.contract.fingerprint != record.fingerprint:
            raise TeacherError(f"{path} has other weights than the teacher that the student learned from; {GIVE}")
        return path, teacher
    raise TeacherError(f"the student's teacher, {record.id}, is not on this machine; {GIVE}")


def _locations(run: Path, record: TeacherRecord) -> list[str]:
    """Where the teacher may lie: what the run's configuration names, then what the student's file does."""
    try:
        named = RunContents(run).config().get("teacher") or []
    except ConfigError:  # a file on its own
        named = []
    first = named if isinstance(named, str) else next(iter(named), record.id)
    return [
        location
        for location in dict.fromkeys((first, record.id))
        if Path(location).is_dir() or is_hub_id(location) or is_own(location)
    ]
