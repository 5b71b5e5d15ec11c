"""The networks of an acclimation: teacher, feature acclimation module, and a ghost like the student's decoder."""

from __future__ import annotations

import torch

from disdepth_cli.config import AcclimateConfig
from disdepth_cli.machine.devices import channels_last, teacher_precision
from disdepth_cli.machine.processes import from_main
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.disparity_range import VIEWS, measure_disparity_range
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.models.student import DepthStudent, build_student
from disdepth_cli.scoring.acclimated_run import load_ghost
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.training.prepare import student_architecture
from disdepth_cli.training.session import Session


def build_networks(
    config: AcclimateConfig, session: Session, teacher: DepthTeacher
) -> tuple[DepthStudent, AcclimatedTeacher]:
    """The student whose decoder the ghost copies, on the CPU, and the teacher with an untrained acclimation.

    The student is built for its decoder and its description; its backbone's weights do not matter.

    Raises:
        StudentError: no such backbone.
        ConfigError: the ghost that the options name was made for another student.
        TeacherError: a relative teacher gives one number everywhere.
    """
    torch.manual_seed(config.loop.seed)
    data, device = session.data, session.device
    architecture = student_architecture(config.student, data)
    student = build_student(architecture)
    teacher = channels_last(teacher.to(device))
    acclimation = Acclimation(teacher.contract.spec, student.decoder, config.method.attention_tokens)
    if config.method.ghost is not None:
        acclimation.fix_ghost(load_ghost(config.method.ghost, architecture))
    precision = teacher_precision(config.machine.precision, device)
    span: tuple[float, float] | None = None
    if data.output_kind == "disparity":
        span = from_main(lambda: measure_disparity_range(teacher, session.first_batches(VIEWS)))
    return student, AcclimatedTeacher(teacher, channels_last(acclimation.to(device)), precision, span)
