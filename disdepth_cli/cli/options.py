"""Options that two or more commands share. Their help and defaults are read from config.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from disdepth_cli.config import AcclimateConfig, AugmentConfig, DistillConfig, EvaluateConfig
from disdepth_cli.config.build import option_help


def option(*names: str, of: type = DistillConfig, field: str | None = None, **more: Any) -> Any:
    """A typer option whose help is the config field of the first long name, or the one that is given."""
    long = next(name for name in names if name.startswith("--"))
    field = field or long.split("/")[0].removeprefix("--").removeprefix("no-").replace("-", "_")
    return typer.Option(*names, help=option_help(of, field), show_default=False, **more)


TRAINING, DATA, MODEL, TEACHER = "Training", "Data and results", "Student", "Teacher"
HUB = "Hugging Face Hub"

DataPath = Annotated[str | None, option("--data", rich_help_panel=DATA)]
Output = Annotated[Path | None, option("--output", "-o", rich_help_panel=DATA)]
Resume = Annotated[bool | None, option("--resume", rich_help_panel=DATA)]
Offline = Annotated[bool | None, option("--offline", rich_help_panel=DATA)]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="YAML file with any of these options; the command line wins.", rich_help_panel=DATA),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only results and errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]

Teacher = Annotated[str | None, option("--teacher", "-t", of=AcclimateConfig)]
Revision = Annotated[str | None, option("--revision")]
Private = Annotated[bool | None, option("--private", rich_help_panel=HUB)]
Licence = Annotated[str | None, option("--licence", rich_help_panel=HUB)]
TeacherWeights = Annotated[Path | None, option("--teacher-weights")]
TeacherCache = Annotated[Path | None, option("--teacher-cache", rich_help_panel=TRAINING)]

Student = Annotated[str | None, option("--student", "-s", rich_help_panel=MODEL)]
StudentWeights = Annotated[Path | None, option("--student-weights", rich_help_panel=MODEL)]
Pretrained = Annotated[bool | None, option("--pretrained/--no-pretrained", rich_help_panel=MODEL)]
LgConv = Annotated[str | None, option("--lg-conv", rich_help_panel=MODEL)]
DecoderChannels = Annotated[int | None, option("--decoder-channels", rich_help_panel=MODEL)]
Bins = Annotated[int | None, option("--bins", rich_help_panel=MODEL)]
InputSize = Annotated[str | None, option("--input-size", rich_help_panel=MODEL)]
MinDepth = Annotated[float | None, option("--min-depth", rich_help_panel=MODEL)]
MaxDepth = Annotated[float | None, option("--max-depth", rich_help_panel=MODEL)]

AnchorWeight = Annotated[float | None, option("--anchor-weight", rich_help_panel=TRAINING)]
Device = Annotated[str | None, option("--device", of=EvaluateConfig)]
PrecisionName = Annotated[str | None, option("--precision", of=EvaluateConfig)]
TrainPrecision = Annotated[str | None, option("--precision", rich_help_panel=TRAINING)]
Workers = Annotated[str | None, option("--workers", metavar="N|auto")]
BatchSize = Annotated[int | None, option("--batch-size", rich_help_panel=TRAINING)]
Accumulate = Annotated[int | None, option("--accumulate", rich_help_panel=TRAINING)]
MaxSteps = Annotated[int | None, option("--max-steps", rich_help_panel=TRAINING)]
LearningRate = Annotated[float | None, option("--lr", rich_help_panel=TRAINING)]
WeightDecay = Annotated[float | None, option("--weight-decay", rich_help_panel=TRAINING)]
Clip = Annotated[float | None, option("--clip", rich_help_panel=TRAINING)]
Ema = Annotated[float | None, option("--ema", rich_help_panel=TRAINING)]
Seed = Annotated[int | None, option("--seed", rich_help_panel=TRAINING)]
ValidateEvery = Annotated[int | None, option("--validate-every", rich_help_panel=TRAINING)]
SaveEvery = Annotated[float | None, option("--save-every", rich_help_panel=TRAINING)]
MaxCorrupt = Annotated[int | None, option("--max-corrupt", rich_help_panel=TRAINING)]
Compile = Annotated[bool | None, option("--compile/--no-compile", rich_help_panel=TRAINING)]
CropSize = Annotated[str | None, option("--crop-size", of=AugmentConfig, rich_help_panel=TRAINING)]
Views = Annotated[int | None, option("--views", of=AugmentConfig, rich_help_panel=TRAINING)]
ViewSeed = Annotated[int | None, option("--view-seed", of=AugmentConfig, field="seed", rich_help_panel=TRAINING)]
AUGMENT = {"crop_size": "crop_size", "views": "views", "view_seed": "seed"}
"""Flags that are fields of `augment`."""


def training_options(given: dict[str, Any]) -> dict[str, Any]:
    """Flags as config fields: some are fields of `augment`."""
    options = dict(given)
    views = {field: options.pop(flag, None) for flag, field in AUGMENT.items()}
    views = {field: value for field, value in views.items() if value is not None}
    return options | {"augment": views} if views else options
