"""The student of a distillation before its first step."""

from __future__ import annotations

import torch

from disdepth_cli.checkpoint.metadata import CheckpointMetadata, StudentArchitecture
from disdepth_cli.config import DistillConfig
from disdepth_cli.errors import StudentError
from disdepth_cli.machine.devices import channels_last
from disdepth_cli.method.student_start import StudentStart, bring_near
from disdepth_cli.method.teacher_cache import TeacherCache
from disdepth_cli.models.encoder import BackboneStart
from disdepth_cli.models.student import DepthStudent, build_student, load_checkpoint
from disdepth_cli.observer import Observer
from disdepth_cli.training.distillation.teachers import FoundTeachers
from disdepth_cli.training.prepare import student_architecture
from disdepth_cli.training.session import Session


def start_student(
    config: DistillConfig, session: Session, teachers: FoundTeachers, cache: TeacherCache | None
) -> tuple[DepthStudent, StudentStart, CheckpointMetadata | None]:
    """The student on the session's device, brought near its teachers' features where the options say so.

    The last is the header of the student that it starts from, where `init` names one.

    Raises:
        StudentError: the backbone or its weights cannot be had, or the student to start from is of another kind.
        CheckpointError: the student to start from cannot be read.
    """
    torch.manual_seed(config.loop.seed)
    data, acclimated = session.data, teachers.acclimated
    architecture, init = student_architecture(config.student, data), None
    if config.student.init is not None:
        student, init = _from_student(config.student.init, architecture, config.machine.offline, session.observer)
    else:
        backbone = BackboneStart(config.student.pretrained, config.student.weights, config.machine.offline)
        student = build_student(architecture, backbone)
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
    return student, start, init


def _from_student(
    name: str, wanted: StudentArchitecture, offline: bool, observer: Observer
) -> tuple[DepthStudent, CheckpointMetadata]:
    """A student with the weights of another one of the same network, in the range and at the size that are wanted."""
    trained, header = load_checkpoint(name, offline=offline)
    before = trained.architecture
    if before.output_kind != wanted.output_kind:
        raise StudentError(f"--init {name}: gives {before.output_kind}, but this data asks for {wanted.output_kind}")
    if (before.min_depth, before.max_depth) != (wanted.min_depth, wanted.max_depth):
        observer.on_note(
            f"range: {wanted.min_depth:g} to {wanted.max_depth:g} m; that of {name} was {before.min_depth:g} to "
            f"{before.max_depth:g} m, so its first depths are {wanted.max_depth / before.max_depth:.3g} times as far"
        )
    student = build_student(wanted)
    student.mean.copy_(trained.mean)
    student.std.copy_(trained.std)
    student.load_state_dict(trained.state_dict(), strict=True)
    return student, header
