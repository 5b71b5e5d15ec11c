"""The student of a distillation before its first step."""

from __future__ import annotations

import torch

from disdepth_cli.config import DistillConfig
from disdepth_cli.machine.devices import channels_last
from disdepth_cli.method.student_start import StudentStart, bring_near
from disdepth_cli.method.teacher_cache import TeacherCache
from disdepth_cli.models.encoder import BackboneStart
from disdepth_cli.models.student import DepthStudent, build_student
from disdepth_cli.training.distillation.teachers import FoundTeachers
from disdepth_cli.training.prepare import student_architecture
from disdepth_cli.training.session import Session


def start_student(
    config: DistillConfig, session: Session, teachers: FoundTeachers, cache: TeacherCache | None
) -> tuple[DepthStudent, StudentStart]:
    """The student on the session's device, brought near its teachers' features where the options say so.

    Raises:
        StudentError: the backbone or its weights cannot be had.
    """
    torch.manual_seed(config.loop.seed)
    data, acclimated = session.data, teachers.acclimated
    backbone = BackboneStart(config.student.pretrained, config.student.weights, config.machine.offline)
    student = build_student(student_architecture(config.student, data), backbone)
    start = StudentStart.of(config.student, config.method)
    if acclimated and start.from_ghost:
        student.decoder.load_state_dict(acclimated[0].acclimation.ghost.state_dict(), strict=True)
    student = channels_last(student.to(session.device))
    if acclimated:
        first = data.batches(config.loop.batch_size, 0, 1, config.loop.seed)  # the same in every process
        epoch = data.batches_per_epoch(config.loop.batch_size, 1)
        teacher, goes_on = acclimated[0].with_cache(cache), session.run.state.file.is_file()
        bring_near(student, teacher, lambda most: first(0, min(most, epoch)), start, goes_on, session.observer)
    if config.machine.compile:
        student.compile()
        for one in acclimated:
            one.compile_teacher()
    return student, start
