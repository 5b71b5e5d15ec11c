"""disdepth acclimate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from disdepth_cli.cli import options as o
from disdepth_cli.cli.console import metrics_table, protocol_line, run_verb, stdout
from disdepth_cli.config import AcclimateConfig

Epochs = Annotated[int | None, o.option("--epochs", of=AcclimateConfig, rich_help_panel=o.TRAINING)]
TeacherLoss = Annotated[float | None, o.option("--teacher-loss", of=AcclimateConfig, rich_help_panel=o.TRAINING)]
Ghost = Annotated[Path | None, o.option("--ghost", of=AcclimateConfig, rich_help_panel=o.TEACHER)]
TrainTeacher = Annotated[str | None, o.option("--train-teacher", of=AcclimateConfig, rich_help_panel=o.TEACHER)]
TeacherLr = Annotated[float | None, o.option("--teacher-lr", of=AcclimateConfig, rich_help_panel=o.TEACHER)]
OwnLoss = Annotated[float | None, o.option("--own-loss", of=AcclimateConfig, rich_help_panel=o.TEACHER)]
Tokens = Annotated[int | None, o.option("--attention-tokens", of=AcclimateConfig, rich_help_panel=o.TRAINING)]
TokenSteps = Annotated[int | None, o.option("--attention-steps", of=AcclimateConfig, rich_help_panel=o.TRAINING)]
# The ghost needs the student's shape, not its weights; the flags are taken so that both verbs accept the same set.
StudentWeights = Annotated[Path | None, o.option("--student-weights", hidden=True)]
Pretrained = Annotated[bool | None, o.option("--pretrained/--no-pretrained", hidden=True)]
DryRun = Annotated[bool | None, o.option("--dry-run", of=AcclimateConfig)]


def acclimate(
    teacher: o.Teacher = None,
    student: o.Student = None,
    data: o.DataPath = None,
    output: o.Output = None,
    dry_run: DryRun = None,
    revision: o.Revision = None,
    teacher_weights: o.TeacherWeights = None,
    teacher_cache: o.TeacherCache = None,
    train_teacher: TrainTeacher = None,
    teacher_lr: TeacherLr = None,
    own_loss: OwnLoss = None,
    ghost: Ghost = None,
    student_weights: StudentWeights = None,
    pretrained: Pretrained = None,
    lg_conv: o.LgConv = None,
    decoder_channels: o.DecoderChannels = None,
    bins: o.Bins = None,
    input_size: o.InputSize = None,
    min_depth: o.MinDepth = None,
    max_depth: o.MaxDepth = None,
    epochs: Epochs = None,
    max_steps: o.MaxSteps = None,
    batch_size: o.BatchSize = None,
    accumulate: o.Accumulate = None,
    crop_size: o.CropSize = None,
    views: o.Views = None,
    view_seed: o.ViewSeed = None,
    lr: o.LearningRate = None,
    weight_decay: o.WeightDecay = None,
    clip: o.Clip = None,
    ema: o.Ema = None,
    seed: o.Seed = None,
    teacher_loss: TeacherLoss = None,
    anchor_weight: o.AnchorWeight = None,
    attention_tokens: Tokens = None,
    attention_steps: TokenSteps = None,
    precision: o.TrainPrecision = None,
    validate_every: o.ValidateEvery = None,
    save_every: o.SaveEvery = None,
    max_corrupt: o.MaxCorrupt = None,
    resume: o.Resume = None,
    offline: o.Offline = None,
    device: o.Device = None,
    workers: o.Workers = None,
    compile: o.Compile = None,
    config: o.ConfigFile = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
) -> None:
    """Teach a teacher's features to speak to the student's decoder (writes an acclimated run)."""
    run_verb(_engine, AcclimateConfig, o.training_options(locals()), _show)


def _engine() -> Callable[..., dict[str, Any]]:
    from disdepth_cli.engine.acclimate import acclimate

    return acclimate


def _show(report: dict[str, Any]) -> None:
    if "run" not in report:  # a dry run
        for name, value in report["teacher"].items():
            stdout.print(f"{name}: {value}", soft_wrap=True, markup=False)
        return
    rows = {
        "teacher itself": report["teacher_metrics"],
        "after training it": report["teacher_metrics_after"],
        "through the ghost": report["ghost_metrics"],
        "constant depth": report["constant_metrics"],
    }
    rows = {name: metrics for name, metrics in rows.items() if metrics}
    stdout.print(f"{protocol_line(report['protocol'])}; scored against {report['scored_against']}", soft_wrap=True)
    if report["teacher_metrics"] and report["teacher_protocol"] != report["protocol"]:
        stdout.print(f"teacher itself: {protocol_line(report['teacher_protocol'])}", soft_wrap=True)
    stdout.print(metrics_table(rows))
    if report["rmse_ratio_ghost_to_teacher"]:
        stdout.print(f"RMSE through the ghost / the teacher's own: {report['rmse_ratio_ghost_to_teacher']:.3f}")
    stdout.print(f"acclimated teacher: {report['run']}", soft_wrap=True, markup=False)
