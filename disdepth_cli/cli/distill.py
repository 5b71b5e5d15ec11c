"""disdepth distill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from rich.table import Table

from disdepth_cli.cli import options as o
from disdepth_cli.cli.console import metrics_table, protocol_line, run_verb, stdout
from disdepth_cli.cli.push import show as show_push
from disdepth_cli.cli.score_tables import sweep_table
from disdepth_cli.config import DistillConfig

LOSSES = "Distillation"
COMPARISON = "Does it help?"
UNLABELLED = "Images without ground truth"
Teachers = Annotated[list[str] | None, o.option("--teacher", "-t")]
Fusion = Annotated[str | None, o.option("--teacher-fusion", rich_help_panel=LOSSES)]
PseudoDrop = Annotated[float | None, o.option("--pseudo-drop", rich_help_panel=UNLABELLED)]
PseudoConfidence = Annotated[str | None, o.option("--pseudo-confidence", rich_help_panel=UNLABELLED)]
Epochs = Annotated[int | None, o.option("--epochs", rich_help_panel=o.TRAINING)]
BackboneLr = Annotated[float | None, o.option("--backbone-lr", rich_help_panel=o.TRAINING)]
SmallFirst = Annotated[float | None, o.option("--small-first", rich_help_panel=o.TRAINING)]
Distill = Annotated[bool | None, o.option("--distill/--no-distill", rich_help_panel=LOSSES)]
Control = Annotated[bool | None, o.option("--control/--no-control", rich_help_panel=COMPARISON)]
Keep = Annotated[str | None, o.option("--keep", rich_help_panel=COMPARISON)]
Sweep = Annotated[bool | None, o.option("--sweep/--no-sweep", rich_help_panel=COMPARISON)]
SweepSteps = Annotated[int | None, o.option("--sweep-steps", rich_help_panel=COMPARISON)]
OutputWeight = Annotated[float | None, o.option("--output-weight", rich_help_panel=LOSSES)]
OutputTarget = Annotated[str | None, o.option("--output-target", rich_help_panel=LOSSES)]
FeatureWeight = Annotated[float | None, o.option("--feature-weight", rich_help_panel=LOSSES)]
FeatureTarget = Annotated[str | None, o.option("--feature-target", rich_help_panel=LOSSES)]
FeatureProjection = Annotated[str | None, o.option("--feature-projection", rich_help_panel=LOSSES)]
FeatureLevels = Annotated[str | None, o.option("--feature-levels", rich_help_panel=LOSSES)]
AttentionKind = Annotated[str | None, o.option("--attention", rich_help_panel=LOSSES)]
PushToHub = Annotated[str | None, o.option("--push-to-hub", rich_help_panel=o.HUB)]
Budget = Annotated[str | None, o.option("--budget", rich_help_panel=o.MODEL)]
DryRun = Annotated[bool | None, o.option("--dry-run")]
InitDecoder = Annotated[str | None, o.option("--init-decoder", rich_help_panel=LOSSES)]
InitBackbone = Annotated[str | None, o.option("--init-backbone", rich_help_panel=LOSSES)]


def distill(
    student: o.Student = None,
    teacher: Teachers = None,
    data: o.DataPath = None,
    output: o.Output = None,
    distill: Distill = None,
    control: Control = None,
    keep: Keep = None,
    sweep: Sweep = None,
    sweep_steps: SweepSteps = None,
    student_weights: o.StudentWeights = None,
    pretrained: o.Pretrained = None,
    revision: o.Revision = None,
    teacher_weights: o.TeacherWeights = None,
    teacher_cache: o.TeacherCache = None,
    output_weight: OutputWeight = None,
    output_target: OutputTarget = None,
    feature_weight: FeatureWeight = None,
    feature_target: FeatureTarget = None,
    feature_projection: FeatureProjection = None,
    feature_levels: FeatureLevels = None,
    attention: AttentionKind = None,
    init_decoder: InitDecoder = None,
    init_backbone: InitBackbone = None,
    teacher_fusion: Fusion = None,
    pseudo_drop: PseudoDrop = None,
    pseudo_confidence: PseudoConfidence = None,
    anchor_weight: o.AnchorWeight = None,
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
    small_first: SmallFirst = None,
    lr: o.LearningRate = None,
    backbone_lr: BackboneLr = None,
    weight_decay: o.WeightDecay = None,
    clip: o.Clip = None,
    ema: o.Ema = None,
    seed: o.Seed = None,
    precision: o.TrainPrecision = None,
    validate_every: o.ValidateEvery = None,
    save_every: o.SaveEvery = None,
    max_corrupt: o.MaxCorrupt = None,
    resume: o.Resume = None,
    push_to_hub: PushToHub = None,
    private: o.Private = None,
    licence: o.Licence = None,
    budget: Budget = None,
    dry_run: DryRun = None,
    offline: o.Offline = None,
    device: o.Device = None,
    workers: o.Workers = None,
    config: o.ConfigFile = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
) -> None:
    """Train the student with the acclimated teacher (writes student.safetensors)."""
    options = o.training_options(locals())
    options["teacher"] = teacher or None  # no --teacher at all may come as an empty list
    if push_to_hub and offline is None:
        options["offline"] = False  # asked for now, it wins over the --offline that a resumed run was started with
    run_verb(_engine, DistillConfig, options, _show)


def _engine() -> Callable[..., dict[str, Any]]:
    from disdepth_cli.engine.distill import distill

    return distill


def _show(report: dict[str, Any]) -> None:
    if "plan" in report:
        for name, value in report["plan"].items():
            shown = " ".join(value) if isinstance(value, list) else value
            stdout.print(f"{name}: {'none' if shown in (None, '') else shown}", soft_wrap=True, markup=False)
        return
    label = "student" if report["distilled"] else "control"
    title = f"{protocol_line(report['protocol'])}; scored against {report['scored_against']}"
    stdout.print(title, soft_wrap=True)
    if "sweep" in report:
        _show_sweep(report["sweep"])
    beside = {"control": report["control"]["metrics"]} if "control" in report else {}
    stdout.print(metrics_table({label: report["best"], **beside}))
    for line in _gain_lines(report):
        stdout.print(line, soft_wrap=True, markup=False)
    stdout.print(_cost_table(report["cost"]))
    stdout.print(f"student: {report['run']}/student.safetensors{_instead(report)}", soft_wrap=True, markup=False)
    if "push" in report:
        show_push(report["push"])


def _show_sweep(swept: dict[str, Any]) -> None:
    stdout.print(f"sweep of the loss weights, {swept['steps']} steps each")
    stdout.print(sweep_table(swept))
    beats = "" if swept["beats_control"] else ", the least harmful: none beat the control"
    stdout.print(f"sweep: {swept['chosen']} was taken{beats}; val was used to choose", soft_wrap=True, markup=False)


def _gain_lines(report: dict[str, Any]) -> Iterator[str]:
    """What distillation has gained, a line a metric."""
    if "gain" not in report:
        return
    from disdepth_cli.comparison.gain import gain_in_words

    for metric, gain in report["gain"].items():
        yield gain_in_words(metric, gain)
    yield "in brackets: 95 % interval over the val images; another --seed may give another gain"
    yield f"control: {report['control']['run']}/student.safetensors"


def _instead(report: dict[str, Any]) -> str:
    """What to say of the file where it is not the distilled student."""
    kept = report.get("kept", {})
    if kept.get("student") != "control":
        return ""
    return f" (the control, whose RMSE is lower; the distilled one is {report['run']}/{kept['distilled']})"


def _cost_table(costs: dict[str, dict[str, Any]]) -> Table:
    table = Table()
    for column in ("", "parameters", "GFLOPs", "ms (least to 95 %)", "CPU ms", "input", "on"):
        table.add_column(column, justify="right" if column else "left")
    for name, cost in costs.items():
        table.add_row(
            name,
            f"{cost['parameters'] / 1e6:.2f} M",
            f"{cost['flops'] / 1e9:.2f}",
            *_times(cost),
            cost["input_size"],
            f"{cost['device']} {cost['precision']}" + (f", {cost['threads']} threads" if "threads" in cost else ""),
        )
    return table


def _times(cost: dict[str, Any]) -> tuple[str, str]:
    """Wall and CPU time; runs of earlier versions have the median alone."""
    if "cpu_ms" not in cost:
        return f"{cost['latency_ms']:.1f}", ""
    spread = f"({cost['latency_min_ms']:.1f} to {cost['latency_p95_ms']:.1f})"
    return f"{cost['latency_ms']:.1f} {spread}", f"{cost['cpu_ms']:.1f}"
