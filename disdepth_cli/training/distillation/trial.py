"""A distillation that is not to be trained: steps of it show how much memory they take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from disdepth_cli.config import DistillConfig
from disdepth_cli.machine.devices import channels_last
from disdepth_cli.method.student_start import StudentStart, adapt
from disdepth_cli.models.student import build_student
from disdepth_cli.observer import SILENT
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.training.acclimation.trial import untrained
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.distillation.acclimated_first import acclimation_of, resolve_teachers
from disdepth_cli.training.distillation.teachers import FoundTeachers, as_they_can_teach, find_teachers
from disdepth_cli.training.distillation.training import DistillationTraining
from disdepth_cli.training.live_page import RunPage
from disdepth_cli.training.prepare import prepare_data, student_architecture
from disdepth_cli.training.trial import Trial, trial_session
from disdepth_cli.training.validation import Validation

if TYPE_CHECKING:
    from accelerate import Accelerator

ADAPTING_IMAGES = 8


def distillation_trial(config: DistillConfig, accelerator: Accelerator) -> Trial:
    """The training of the student with its teachers, as the loop would have it.

    Raises:
        DisdepthError: as the distillation itself.
    """
    config = resolve_teachers(config, SILENT)
    teachers = _teachers(config, prepare_data(config), accelerator)
    config = as_they_can_teach(config, teachers, SILENT)
    session, acclimated = trial_session(teachers.data, config.loop, accelerator), teachers.acclimated
    student = build_student(student_architecture(config.student, session.data))
    student = channels_last(student.to(session.device))
    start = StudentStart.of(config.student, config.method)
    if acclimated and start.adapted:
        adapt(student, acclimated[0], session.data.batches(ADAPTING_IMAGES, 0, 1, config.loop.seed)(0, 1))
    val = Validation(session.data, session.device, config.machine.precision)
    page = RunPage(session.run, session.data, "student", {}, val.better, SILENT)  # never drawn
    task = DistillationTraining(config, session, student, start, teachers, val, None, {}, page).task()
    return Trial(task, session.data, labelled_only=not acclimated)


def _teachers(config: DistillConfig, data: TrainingData, accelerator: Accelerator) -> FoundTeachers:
    """The teachers of a configuration; those that are not acclimated yet have an untrained acclimation."""
    found = FoundTeachers([], [], data)
    for name in config.teacher.names or [] if config.method.distill else []:
        if RunContents(Path(name)).has_acclimation:
            one = find_teachers(config.replaced(teacher=[name]), found.data, Path(), accelerator.device, SILENT)
        else:
            _, acclimated, seen = untrained(acclimation_of(config, name, Path(), None, False), accelerator)
            acclimated.acclimation.freeze()
            one = FoundTeachers([acclimated], [], seen)
        found = FoundTeachers([*found.acclimated, *one.acclimated], [], found.data if found.acclimated else one.data)
    shown = found.data.shown_to([one.teacher for one in found.acclimated])
    return FoundTeachers(found.acclimated, [], shown)
