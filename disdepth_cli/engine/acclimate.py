"""Acclimate: teach a teacher's features to speak to the student's decoder."""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.config import AcclimateConfig
from disdepth_cli.machine.devices import channels_last, pick_device
from disdepth_cli.machine.join import joined_processes
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.results.training import AcclimatePlan, AcclimateReport
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.describe import describe_teacher
from disdepth_cli.training.acclimation.run import run_acclimation
from disdepth_cli.training.acclimation.scores import AcclimationScores
from disdepth_cli.training.acclimation.teacher_checks import check_teacher, tell_checks
from disdepth_cli.training.acclimation.trial import acclimation_trial
from disdepth_cli.training.batch_size import settle_batch_size
from disdepth_cli.training.prepare import prepare_data, supervised_data


def acclimate(config: AcclimateConfig, observer: Observer = SILENT) -> AcclimateReport | AcclimatePlan:
    """Acclimate a teacher to a student's decoder and write `acclimated.safetensors` into a run folder.

    With `dry_run` nothing is trained: the result is what the teacher is.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    if config.run.dry_run:
        return AcclimatePlan(_described(config, observer))
    with joined_processes(config.machine, config.loop, observer) as observer:
        return run_acclimation(settle_batch_size(config, observer, acclimation_trial), observer)


def _described(config: AcclimateConfig, observer: Observer) -> dict[str, str]:
    """The contract of a configuration's teacher, key by key, without fetching its weights; with data that are named,
    and weights that are here, also what it says of them.

    Raises:
        TeacherError: it cannot be found or used.
        DataError: the data cannot.
    """
    own, offline = config.teacher, config.machine.offline
    contract = describe_teacher(own.name, revision=own.revision, weights=own.weights, offline=offline)
    lines = dict(line.split(": ", 1) for line in contract.lines())
    if not _names_data(config):
        return lines | {"view_check": "not done: give --data", "word_check": "not done: give --data"}
    if contract.weights == "missing":
        return lines | {"view_check": "not done: its weights are not here", "word_check": "not done"}
    teacher = load_teacher(own.name, revision=own.revision, weights=own.weights, offline=offline)
    device = pick_device(config.machine.device)
    data = supervised_data(prepare_data(config, observer), config, teacher, observer).shown_to([teacher])
    teacher = channels_last(teacher.to(device))
    scores = AcclimationScores(data, teacher, device, config.machine.precision)
    metrics = scores.of_teacher() if contract.kind == "metric_depth" else None
    found = check_teacher(teacher, scores.whole_images(), data, metrics["abs_rel"] if metrics else None)
    tell_checks(found, teacher, data, observer)
    return lines | found.lines()


def _names_data(config: AcclimateConfig) -> bool:
    """Whether data were named for a dry run, which needs none: its default is the current folder."""
    here = Path.cwd()
    return config.data.location != str(here) or (here / "data.yaml").is_file()
