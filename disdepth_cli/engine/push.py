"""Push: a student with its model card to the Hugging Face Hub, or into a folder to be looked at first."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

from disdepth_cli.checkpoint.locate import CARD, CONFIG, STUDENT, student_file
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.config import PushConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.config.parts import HubOptions
from disdepth_cli.errors import CheckpointError, ConfigError, DisdepthError, HubError
from disdepth_cli.files import remove_unfinished, write_atomic
from disdepth_cli.hub.push_target import Content, HubTarget
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.outputs.card.card import FILES, PICTURE, CardFacts, model_card, model_config
from disdepth_cli.outputs.card.facts import card_facts, run_options
from disdepth_cli.outputs.card.picture import draw_picture, picture_images
from disdepth_cli.results.models import PushResult
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.scoring.open_model import open_student


def push(config: PushConfig, observer: Observer = SILENT) -> PushResult:
    """Send a student to the Hub in one commit: weights, config.json, model card and its picture.

    Raises:
        DisdepthError: of any kind; its message is one line for the user. Nothing here is changed by a failed push.
    """
    target = HubTarget(config.to, "--to", config.revision, config.private)
    if config.dry_run:
        target.check_form()
    elif config.output is not None:
        raise ConfigError("--output: is for the files of --dry-run; a push leaves none")
    file, run = _find(config.model)
    if not config.dry_run:
        target.check(config.offline)
    facts, content = _pack(config, file, run)
    for warning in facts.licence.warnings:
        observer.on_warning(warning)
    result = PushResult(
        to=config.to,
        revision=config.revision,
        licence=facts.licence.name or facts.licence.id,
        warnings=list(facts.licence.warnings),
        files=[{"name": name, "bytes": _size(source)} for name, source in content.items()],
        sent=not config.dry_run,
    )
    if config.dry_run:
        folder = config.output or (run or Path()) / "hub"
        return replace(result, folder=str(_write(folder, content)))
    sent = target.send(content, f"Push {facts.metadata.backbone} student with disdepth")
    return replace(result, url=sent["url"], commit=sent["commit"])


def push_finished(hub: HubOptions, run: Path, observer: Observer) -> PushResult:
    """Push a finished run of distill. A failure is worded with the command that pushes it again.

    Raises:
        HubError: the push failed; the run is complete all the same.
    """
    assert hub.push_to_hub is not None
    own = {"model": run, "to": hub.push_to_hub, "private": hub.private, "licence": hub.licence}
    try:
        return push(build_config(PushConfig, own), observer)
    except DisdepthError as error:
        again = f"disdepth push {run} --to {hub.push_to_hub}{' --private' if hub.private else ''}"
        again += f" --licence {hub.licence}" if hub.licence else ""
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
    held = RunContents(run) if run is not None else None
    if held is not None and not held.has_student:
        raise CheckpointError(f"{run}: holds no {STUDENT}; give a run of distill")
    if held is not None and held.is_begun and not held.is_finished:
        raise CheckpointError(
            f"{run}: is unfinished; go on with: disdepth distill --resume -o {run}, or push its {STUDENT} alone"
        )
    return student_file(source), run


def _pack(config: PushConfig, file: Path, run: Path | None) -> tuple[CardFacts, Content]:
    """What the card says, and the files as they will be sent."""
    predictor = open_student(file, "cpu", "fp32")  # also tells whether the file is whole
    metadata = read_metadata(file)
    held = RunContents(run) if run else None
    kind, images = picture_images(config.picture, config.picture_from_data, run_options(held), metadata)
    facts = card_facts(config, metadata, held, predictor, kind)
    content: dict[str, bytes | Path] = {
        STUDENT: file,
        CONFIG: model_config(facts).encode(),
        CARD: model_card(facts).encode(),
    }
    if images:
        content[PICTURE] = draw_picture(images, predictor, metadata.output_kind)
    return facts, content


def _size(source: bytes | Path) -> int:
    return source.stat().st_size if isinstance(source, Path) else len(source)


def _write(folder: Path, content: Content) -> Path:
    """Write the files that would be sent; those of an earlier look that would not are removed."""
    remove_unfinished(folder)
    for name in FILES:
        if name not in content:
            (folder / name).unlink(missing_ok=True)
    for name, source in content.items():
        write_atomic(folder / name, partial(_put, source))
    return folder


def _put(source: bytes | Path, path: Path) -> None:
    if isinstance(source, Path):
        shutil.copyfile(source, path)
    else:
        path.write_bytes(source)
