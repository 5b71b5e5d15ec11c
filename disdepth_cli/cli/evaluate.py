"""disdepth evaluate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from disdepth_cli.cli import options as o
from disdepth_cli.cli.console import metrics_table, protocol_line, run_verb, stdout
from disdepth_cli.config import EvaluateConfig
from disdepth_cli.configure import option_help

Model = Annotated[str, typer.Argument(help=option_help(EvaluateConfig, "model"))]
Split = Annotated[str | None, o.option("--split", of=EvaluateConfig)]
ProtocolName = Annotated[str | None, o.option("--protocol", of=EvaluateConfig)]
AlignKind = Annotated[str | None, o.option("--align", of=EvaluateConfig)]
Tta = Annotated[bool | None, o.option("--tta/--no-tta", of=EvaluateConfig)]
MinDepth = Annotated[float | None, o.option("--min-depth", of=EvaluateConfig)]
MaxDepth = Annotated[float | None, o.option("--max-depth", of=EvaluateConfig)]
PerImage = Annotated[Path | None, o.option("--per-image", of=EvaluateConfig)]


def evaluate(
    model: Model,
    data: o.DataPath = None,
    split: Split = None,
    protocol: ProtocolName = None,
    align: AlignKind = None,
    tta: Tta = None,
    min_depth: MinDepth = None,
    max_depth: MaxDepth = None,
    per_image: PerImage = None,
    revision: o.Revision = None,
    offline: o.Offline = None,
    device: o.Device = None,
    precision: o.PrecisionName = None,
    workers: o.Workers = None,
    config: o.ConfigFile = None,
    quiet: o.Quiet = False,
    as_json: o.AsJson = False,
) -> None:
    """Score a student, an acclimated run or a teacher under a named protocol."""
    run_verb(_engine, EvaluateConfig, dict(locals()), _show)


def _engine() -> Callable[..., dict[str, Any]]:
    from disdepth_cli.engine.evaluate import evaluate

    return evaluate


def _show(result: dict[str, Any]) -> None:
    title = f"{protocol_line(result['protocol'])}; {result['images']} images"
    stdout.print(title, soft_wrap=True)
    stdout.print(metrics_table({result["model"]: result}))
