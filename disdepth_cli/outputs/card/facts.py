"""What a model card says of a student, gathered from its file and its run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm

from disdepth_cli.checkpoint.metadata import CheckpointMetadata
from disdepth_cli.config import PushConfig
from disdepth_cli.errors import ConfigError
from disdepth_cli.hub.licences import LicencedPart, choose_licence
from disdepth_cli.outputs.card.card import CardFacts
from disdepth_cli.outputs.card.text import PictureKind
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.runs.contents import RunContents


def card_facts(
    config: PushConfig,
    metadata: CheckpointMetadata,
    run: RunContents | None,
    predictor: DepthPredictor,
    picture: PictureKind | None,
) -> CardFacts:
    """All that the card says. run: the student's, where its source is one; picture: the kind of the card's picture.

    Raises:
        ConfigError: the control that was named is none, or was scored otherwise; or the licence cannot be chosen.
    """
    report = run.report() if run else {}
    backbone_licence = _backbone_licence(metadata)
    return CardFacts(
        repo_id=config.to,
        metadata=metadata,
        parameters=sum(parameter.numel() for parameter in predictor.model.parameters()),
        licence=choose_licence(_sources(metadata, backbone_licence), config.licence),
        branch=config.revision,
        data=config.data_name or data_name(run_options(run)),
        scored_against=report.get("scored_against"),
        control={} if run and run.keeps_control else _control(config.control, report),
        backbone_licence=backbone_licence,
        picture=picture,
    )


def run_options(run: RunContents | None) -> dict[str, Any] | None:
    """The options that a run was begun with; None where there is none."""
    return run.config() if run and run.is_begun else None


def _control(run: Path | None, report: dict[str, Any]) -> dict[str, float]:
    """The control's metrics: of the run that was named, else those that the report holds.

    Raises:
        ConfigError: the run is no control, or was scored otherwise.
    """
    if run is None:
        known = report.get("control") or {}
        return dict(known.get("best") or known.get("metrics") or {}) if isinstance(known, dict) else {}
    control = RunContents(run).report()
    if control.get("distilled") is not False:
        raise ConfigError(f"--control {run}: is no finished control; make one with: disdepth distill --no-distill")
    for name in ("protocol", "scored_against"):
        if report and control.get(name) != report.get(name):
            raise ConfigError(f"--control {run}: was scored with another {name.replace('_', ' ')} than the student")
    return dict(control["best"])


def data_name(run_config: dict[str, Any] | None) -> str | None:
    """The folder's name, never its path; that of a file of another name than data.yaml is the file's."""
    data = (run_config or {}).get("data")
    if not isinstance(data, str):
        return None
    path = Path(data)
    if path.suffix in (".yaml", ".yml"):
        path = path.parent if path.stem in ("data", "dataset") else path.with_suffix("")
    return None if path in (Path.home(), Path("/")) else path.name or None  # a home's name is a person's


def _backbone_licence(metadata: CheckpointMetadata) -> str | None:
    """What timm states of the backbone's pretrained weights, None where they were not used or nothing is stated."""
    if not metadata.recipe.get("pretrained") or metadata.recipe.get("student_weights"):
        return None
    return getattr(timm.models.get_pretrained_cfg(metadata.backbone), "license", None)


def _sources(metadata: CheckpointMetadata, backbone_licence: str | None) -> list[LicencedPart]:
    """What the student was made from, as far as licences go; the data's is not known here."""
    teachers = [*([metadata.teacher] if metadata.teacher else []), *metadata.more_teachers]
    sources = [LicencedPart("teacher", teacher.id, teacher.licence) for teacher in teachers]
    return sources + ([LicencedPart("backbone", metadata.backbone, backbone_licence)] if backbone_licence else [])
