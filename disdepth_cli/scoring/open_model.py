"""MODEL of the command line: a student (file, run, `bundled`, on the Hub), an acclimated run, or a teacher."""

from __future__ import annotations

from pathlib import Path

import torch

from disdepth_cli.checkpoint.locate import BUNDLED, hub_student, may_be_on_hub
from disdepth_cli.config.types import Precision
from disdepth_cli.errors import CheckpointError, ConfigError, TeacherError
from disdepth_cli.machine.devices import pick_device, student_precision, teacher_precision
from disdepth_cli.method.acclimated_teacher import ghost_size
from disdepth_cli.models.student import load_student
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.scoring.acclimated_run import load_acclimated
from disdepth_cli.scoring.teacher_inputs import origins_of
from disdepth_cli.teachers import DepthTeacher, load_teacher


def open_model(
    name: str, device: str = "auto", precision: Precision = "auto", revision: str | None = None, offline: bool = False
) -> DepthPredictor:
    """Open a MODEL for prediction. OWNER/NAME is a student where that repository holds one, else a teacher.

    Raises:
        CheckpointError, TeacherError: it cannot be found or read, or gives no depth.
    """
    chosen = pick_device(device)
    is_file = Path(name).suffix == ".safetensors" or Path(name).is_file()
    if name == "bundled" or is_file or RunContents(Path(name)).has_student:
        return open_student(name, device, precision, revision)
    if may_be_on_hub(name) and hub_student(name, revision, offline) is not None:
        return open_student(name, device, precision, revision, offline)
    if RunContents(Path(name)).has_acclimation:
        acclimated, metadata = load_acclimated(Path(name), teacher_precision(precision, chosen), offline)
        architecture = metadata.architecture()
        return DepthPredictor(
            acclimated,
            ghost_size(architecture.working_size),
            architecture.output_kind,
            architecture.max_depth,
            chosen,
            student_precision(precision, chosen),
            architecture.min_depth,
            origins_of([acclimated.teacher]),
        )
    if RunContents(Path(name)).is_begun:
        raise CheckpointError(f"{name}: is a run without a finished model; go on with --resume -o {name}")
    # Measured accuracy is the teacher's reputation: full precision unless asked otherwise.
    teacher = load_teacher(name, revision=revision, offline=offline)
    return teacher_predictor(teacher, chosen, "fp32" if precision == "auto" else student_precision(precision, chosen))


def teacher_predictor(teacher: DepthTeacher, device: torch.device, precision: Precision) -> DepthPredictor:
    """A teacher's own depth, at its own working size.

    Raises:
        TeacherError: it is an encoder without depth.
    """
    contract = teacher.contract
    if contract.kind == "none":
        raise TeacherError(f"{contract.id}: is an encoder without depth of its own; acclimate it and give that run")
    max_depth = contract.max_depth or float("inf")
    origins = origins_of([teacher], own_size=True)
    return DepthPredictor(teacher, contract.working_size, contract.kind, max_depth, device, precision, origins=origins)


def open_student(
    path: Path | str,
    device: str = "auto",
    precision: Precision = "auto",
    revision: str | None = None,
    offline: bool = False,
) -> DepthPredictor:
    """A student checkpoint, the run folder that holds one, `bundled`, or OWNER/NAME on the Hub, its norms folded.

    Raises:
        CheckpointError: missing, truncated, foreign, not a student, or not to be had from the Hub.
    """
    pick_device(device)  # a wrong one is refused before a file is fetched
    if str(path) == "bundled" and not BUNDLED.is_file():
        raise ConfigError("this installation has no bundled student; give --model FILE")
    return load_student(path, revision=revision, offline=offline).predictor(device, precision)
