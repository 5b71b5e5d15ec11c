"""Whoever makes a student of a non-commercial teacher is told so, and the student's file remembers the licence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from disdepth_cli import acclimate, distill
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.observer import Silent
from disdepth_cli.teachers import DepthTeacher, load_teacher

NON_COMMERCIAL = "tiny-nc: its licence is cc-by-nc-4.0, non-commercial; a student distilled from it may fall"


class Ears(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)

    def on_note(self, message: str) -> None:
        self.notes.append(message)

    @property
    def of_licence(self) -> list[str]:
        return [warning for warning in self.warnings if "licence" in warning]


@pytest.fixture
def options(rooms: Path) -> dict[str, object]:
    return {
        "data": rooms,
        "student": "mobilenetv2",
        "input_size": (64, 96),
        "batch_size": 2,
        "workers": 0,
        "max_steps": 1,
        "device": "cpu",
    }


def copy_with_licence(teacher: Path, folder: Path, licence: str) -> str:
    shutil.copytree(teacher, folder)
    (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n")
    return str(folder)


def test_a_non_commercial_teacher(tiny_teacher: Path, options: dict[str, object], tmp_path: Path) -> None:
    teacher = copy_with_licence(tiny_teacher, tmp_path / "tiny-nc", "cc-by-nc-4.0")
    ears = Ears()
    acclimate(teacher=teacher, output=tmp_path / "run", attention_steps=1, observers=[ears], **options)
    assert len(ears.of_licence) == 1 and ears.of_licence[0].startswith(NON_COMMERCIAL)
    assert any(" GFLOPs" in note for note in ears.notes)

    ears = Ears()
    distill(teacher=str(tmp_path / "run"), output=tmp_path / "student", pretrained=False, observers=[ears], **options)
    assert len(ears.of_licence) == 1 and ears.of_licence[0].startswith(NON_COMMERCIAL)
    record = read_metadata(tmp_path / "student" / "student.safetensors").teacher
    assert record is not None and (record.id, record.licence) == ("tiny-nc", "cc-by-nc-4.0")


@pytest.mark.slow
def test_distilling_from_a_raw_teacher_warns_once(
    tiny_teacher: Path, options: dict[str, object], tmp_path: Path
) -> None:
    teacher = copy_with_licence(tiny_teacher, tmp_path / "tiny-nc", "cc-by-nc-4.0")
    ears = Ears()
    distill(teacher=teacher, output=tmp_path / "student", pretrained=False, observers=[ears], **options)
    assert len(ears.of_licence) == 1 and ears.of_licence[0].startswith(NON_COMMERCIAL)


@pytest.mark.parametrize("licence", ["apache-2.0", "other"])
def test_no_warning_of_open_or_unknown_licences(
    licence: str, tiny_teacher: Path, options: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = copy_with_licence(tiny_teacher, tmp_path / "tiny", licence)
    ears = Ears()

    def load(name: str, *, announce: Callable[[str], None], **how: Any) -> DepthTeacher:
        announce("fetching it")
        return load_teacher(name, **how)

    monkeypatch.setattr("disdepth_cli.training.acclimation.open_teacher.load_teacher", load)
    acclimate(teacher=teacher, output=tmp_path / "run", attention_steps=0, observers=[ears], **options)
    assert not ears.of_licence
    assert ears.notes[0].startswith("device: ") and ears.notes[1] == "fetching it"  # before all that takes time
    assert any(f"M parameters, {licence})" in note for note in ears.notes)
