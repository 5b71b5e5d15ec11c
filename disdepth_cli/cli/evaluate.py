"""disdepth evaluate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from disdepth_cli.cli import options as o
from disdepth_cli.cli.console import protocol_line, run_verb, stdout
from disdepth_cli.cli.score_tables import ranges_table, remarks, scores_table
from disdepth_cli.config import EvaluateConfig
from disdepth_cli.config.build import option_help

BESIDE, PICTURES = "Baselines", "Per image"

Model = Annotated[str, typer.Argument(help=option_help(EvaluateConfig, "model"))]
Split = Annotated[str | None, o.option("--split", of=EvaluateConfig)]
ProtocolName = Annotated[str | None, o.option("--protocol", of=EvaluateConfig)]
AlignKind = Annotated[str | None, o.option("--align", of=EvaluateConfig)]
Tta = Annotated[bool | None, o.option("--tta/--no-tta", of=EvaluateConfig)]
MinDepth = Annotated[float | None, o.option("--min-depth", of=EvaluateConfig)]
MaxDepth = Annotated[float | None, o.option("--max-depth", of=EvaluateConfig)]
BackendName = Annotated[str | None, o.option("--backend", of=EvaluateConfig)]
Workers = Annotated[int | None, o.option("--workers", of=EvaluateConfig)]
BaselinesOn = Annotated[bool | None, o.option("--baselines/--no-baselines", of=EvaluateConfig, rich_help_panel=BESIDE)]
Teacher = Annotated[str | None, o.option("--teacher", "-t", of=EvaluateConfig, rich_help_panel=BESIDE)]
ScoreTeacher = Annotated[
    bool | None, o.option("--score-teacher/--no-teacher", of=EvaluateConfig, rich_help_panel=BESIDE)
]
MeanMapImages = Annotated[int | None, o.option("--mean-map-images", of=EvaluateConfig, rich_help_panel=BESIDE)]
PerImage = Annotated[Path | None, o.option("--per-image", of=EvaluateConfig, rich_help_panel=PICTURES)]
Worst = Annotated[int | None, o.option("--worst", of=EvaluateConfig, rich_help_panel=PICTURES)]
WorstBy = Annotated[str | None, o.option("--worst-by", of=EvaluateConfig, rich_help_panel=PICTURES)]
Output = Annotated[Path | None, o.option("--output", "-o", of=EvaluateConfig, rich_help_panel=PICTURES)]


def evaluate(
    model: Model,
    data: o.DataPath = None,
    split: Split = None,
    protocol: ProtocolName = None,
    align: AlignKind = None,
    tta: Tta = None,
    min_depth: MinDepth = None,
    max_depth: MaxDepth = None,
    baselines: BaselinesOn = None,
    teacher: Teacher = None,
    score_teacher: ScoreTeacher = None,
    mean_map_images: MeanMapImages = None,
    per_image: PerImage = None,
    worst: Worst = None,
    worst_by: WorstBy = None,
    output: Output = None,
    revision: o.Revision = None,
    offline: o.Offline = None,
    device: o.Device = None,
    precision: o.PrecisionName = None,
    backend: BackendName = None,
    workers: Workers = None,
    config: o.ConfigFile = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
) -> None:
    """Score a student, an acclimated run or a teacher under a named protocol, beside what it has to beat."""
    run_verb(_engine, EvaluateConfig, dict(locals()), _show)


def _engine() -> Callable[..., dict[str, Any]]:
    from disdepth_cli.engine.evaluate import evaluate

    return evaluate


def _show(result: dict[str, Any]) -> None:
    title = f"{protocol_line(result['protocol'])}; {result['images']} images"
    stdout.print(title, soft_wrap=True)
    stdout.print(f"model {result['model']}", soft_wrap=True, markup=False)
    for table in (scores_table(result), ranges_table(result)):
        stdout.print()
        stdout.print(table)
    stdout.print()
    for line in remarks(result):
        stdout.print(line, soft_wrap=True, markup=False)
