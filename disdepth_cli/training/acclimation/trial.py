"""An acclimation that is not to be trained: steps of it show how much memory they take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from disdepth_cli.config import AcclimateConfig
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.observer import SILENT
from disdepth_cli.training.acclimation.file import AcclimatedFile
from disdepth_cli.training.acclimation.networks import build_networks
from disdepth_cli.training.acclimation.open_teacher import teacher_and_data
from disdepth_cli.training.acclimation.scores import AcclimationScores
from disdepth_cli.training.acclimation.training import AcclimationTraining
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.trial import Trial, trial_session

if TYPE_CHECKING:
    from accelerate import Accelerator


def acclimation_trial(config: AcclimateConfig, accelerator: Accelerator) -> Trial | None:
    """The training of the ghost decoder, which takes more than that of the attention tokens; None where there is none.

    Raises:
        DisdepthError: as the acclimation itself.
    """
    student, acclimated, data = untrained(config, accelerator)
    if acclimated.speaks_for_itself:
        return None
    session, teacher = trial_session(data, config.loop, accelerator), acclimated.teacher
    scores = AcclimationScores(data, teacher, session.device, config.machine.precision)
    file = AcclimatedFile(Path(), config, student, {})
    task = AcclimationTraining(config, session, acclimated, scores, file, None).ghost_task()
    return Trial(task, data, labelled_only=teacher.contract.kind == "none")


def untrained(
    config: AcclimateConfig, accelerator: Accelerator
) -> tuple[DepthStudent, AcclimatedTeacher, TrainingData]:
    """The student and the teacher of an acclimation before it, and the data in the range and kind of the teacher.

    Raises:
        DisdepthError: as the acclimation itself.
    """
    teacher, data = teacher_and_data(config, SILENT)
    student, acclimated = build_networks(config, trial_session(data, config.loop, accelerator), teacher)
    return student, acclimated, data
