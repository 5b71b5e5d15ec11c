"""Push: a student with its model card to the Hugging Face Hub, or into a folder to be looked at first."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from disdepth_cli.checkpoint.locate import CARD, CONFIG, STUDENT, student_file
from disdepth_cli.checkpoint.metadata import CheckpointMetadata, read_metadata
from disdepth_cli.comparison.keeping import hands_out_control
from disdepth_cli.config import DistillConfig, PushConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.errors import CheckpointError, ConfigError, DisdepthError, HubError
from disdepth_cli.files import write_atomic
from disdepth_cli.hub.licences import Source, choose_licence
from disdepth_cli.hub.upload import Content, HubTarget
from disdepth_cli.observer import Observer
from disdepth_cli.outputs.card.card import PICTURE, CardFacts, model_card, model_config
from disdepth_cli.outputs.card.picture import draw_picture, picture_images
from disdepth_cli.runs.folder import RunFolder, read_config, read_report
from disdepth_cli.scoring.open_model import open_student

FILES = (STUDENT, CONFIG, CARD, PICTURE)
"""What a push sends; the picture only where there is one."""


def push(config: PushConfig | None = None, *, observers: Sequence[Observer] = (), **options: Any) -> dict[str, Any]:
    """Send a student to the Hub in one commit: weights, config.json, model card and its picture.

    config, or its fields as keywords. Returns {"to", "revision", "licence", "warnings", "files": [{"name", "bytes"}],
    "sent"} with "url" and "commit", or with `dry_run` the "folder" the files were written into.

    Raises:
        DisdepthError: of any kind; its message is one line for the user. Nothing here is changed by a failed push.
    """
    config = config or build_config(PushConfig, options)
    target = HubTarget(config.to, "--to", config.revision, config.private)
    if config.dry_run:
        target.check_form()
    elif config.output is not None:
        raise ConfigError("--output: is for the files of --dry-run; a push leaves none")
    file, run = _find(config.source)
    if not config.dry_run:
        target.check(config.offline)
    facts, content = _pack(config, file, run)
    for observer in observers:
        for warning in facts.licence.warnings:
            observer.on_warning(warning)
    result = {
        "to": config.to,
        "revision": config.revision,
        "licence": facts.licence.name or facts.licence.id,
        "warnings": list(facts.licence.warnings),
        "files": [{"name": name, "bytes": _size(source)} for name, source in content.items()],
        "sent": not config.dry_run,
    }
    if config.dry_run:
        folder = config.output or (run or Path()) / "hub"
        return result | {"folder": str(_write(folder, content))}
    return result | target.send(content, f"Push {facts.metadata.backbone} student with disdepth")


def target_of(config: DistillConfig) -> HubTarget:
    """Where distill's `push_to_hub` goes."""
    assert config.push_to_hub is not None
    return HubTarget(config.push_to_hub, "--push-to-hub", None, config.private)


def finished_report(config: DistillConfig) -> dict[str, Any] | None:
    """The report of the run to be resumed, where that run is finished and is only to be pushed; else None.

    Raises:
        ConfigError: the run was started with other options.
    """
    if config.push_to_hub is None or not config.resume or config.output is None:
        return None
    if not (config.output / "report.json").is_file() or not (config.output / STUDENT).is_file():
        return None
    run = RunFolder.open(config, "distill", config.student)
    return {"run": str(run.path), **read_report(run.path)}


def push_finished(config: DistillConfig, run: Path, observers: Sequence[Observer]) -> dict[str, Any]:
    """Push a finished run of distill. A failure is worded with the command that pushes it again.

    Raises:
        HubError: the push failed; the run is complete all the same.
    """
    assert config.push_to_hub is not None
    own = {"source": run, "to": config.push_to_hub, "private": config.private, "licence": config.licence}
    try:
        return push(build_config(PushConfig, own), observers=observers)
    except DisdepthError as error:
        again = f"disdepth push {run} --to {config.push_to_hub}{' --private' if config.private else ''}"
        again += f" --licence {config.licence}" if config.licence else ""
        raise HubError(f"{error}; the student is complete in {run}, nothing is lost; push it with: {again}") from error


def _find(source: Path) -> tuple[Path, Path | None]:
    """The student's file, and its run folder where the source is one.

    Raises:
        CheckpointError: there is none, it is no student, or its run is unfinished.
    """
    if str(source) == "bundled":
        return student_file("bundled"), None
    if not source.exists():
        raise CheckpointError(f"{source}: no such run or file; give a run of distill, or its {STUDENT}")
    run = source if source.is_dir() else None
    if run is not None and not (run / STUDENT).is_file():
        raise CheckpointError(f"{run}: holds no {STUDENT}; give a run of distill")
    if run is not None and (run / "config.yaml").is_file() and not (run / "report.json").is_file():
        raise CheckpointError(
            f"{run}: is unfinished; go on with: disdepth distill --resume -o {run}, or push its {STUDENT} alone"
        )
    return student_file(source), run


def _pack(config: PushConfig, file: Path, run: Path | None) -> tuple[CardFacts, Content]:
    """What the card says, and the files as they will be sent."""
    predictor = open_student(file, "cpu", "fp32")  # also tells whether the file is whole
    metadata = read_metadata(file)
    run_config = read_config(run) if run and (run / "config.yaml").is_file() else None
    report = read_report(run) if run else {}
    kind, images = picture_images(config.picture, config.picture_from_data, run_config, metadata)
    backbone_licence = _backbone_licence(metadata)
    facts = CardFacts(
        repo_id=config.to,
        metadata=metadata,
        parameters=predictor.parameters,
        licence=choose_licence(_sources(metadata, backbone_licence), config.licence),
        branch=config.revision,
        data=config.data_name or _data_name(run_config),
        scored_against=report.get("scored_against"),
        control={} if run and hands_out_control(run) else _control(config.control, report),
        backbone_licence=backbone_licence,
        picture=kind,
    )
    content: dict[str, bytes | Path] = {
        STUDENT: file,
        CONFIG: model_config(facts).encode(),
        CARD: model_card(facts).encode(),
    }
    if images:
        content[PICTURE] = draw_picture(images, predictor, metadata.output_kind)
    return facts, content


def _control(run: Path | None, report: dict[str, Any]) -> dict[str, float]:
    """The control's metrics: of the run that was named, else those that the report holds.

    Raises:
        ConfigError: the run is no control, or was scored otherwise.
    """
    if run is None:
        known = report.get("control") or {}
        return dict(known.get("best") or known.get("metrics") or {}) if isinstance(known, dict) else {}
    control = read_report(run)
    if control.get("distilled") is not False:
        raise ConfigError(f"--control {run}: is no finished control; make one with: disdepth distill --no-distill")
    for name in ("protocol", "scored_against"):
        if report and control.get(name) != report.get(name):
            raise ConfigError(f"--control {run}: was scored with another {name.replace('_', ' ')} than the student")
    return dict(control["best"])


def _data_name(run_config: dict[str, Any] | None) -> str | None:
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
    import timm

    return getattr(timm.models.get_pretrained_cfg(metadata.backbone), "license", None)


def _sources(metadata: CheckpointMetadata, backbone_licence: str | None) -> list[Source]:
    """What the student was made from, as far as licences go; the data's is not known here."""
    teachers = [*([metadata.teacher] if metadata.teacher else []), *metadata.more_teachers]
    sources = [Source("teacher", teacher.id, teacher.licence) for teacher in teachers]
    return sources + ([Source("backbone", metadata.backbone, backbone_licence)] if backbone_licence else [])


def _size(source: bytes | Path) -> int:
    return source.stat().st_size if isinstance(source, Path) else len(source)


def _write(folder: Path, content: Content) -> Path:
    """Write the files that would be sent; those of an earlier look that would not are removed."""
    for name in FILES:
        if name not in content:
            (folder / name).unlink(missing_ok=True)
    for name, source in content.items():
        write_atomic(folder / name, partial(_put, source))
    return folder


def _put(source: bytes | Path, place: Path) -> None:
    if isinstance(source, Path):
        shutil.copyfile(source, place)
    else:
        place.write_bytes(source)
