"""The page on teachers: its example runs as it stands, and its names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from disdepth_cli import acclimate
from disdepth_cli.teachers import TeacherDescription
from disdepth_cli.teachers.yours.stored import StoredFile

PAGE = Path(__file__).parents[2] / "docs" / "teachers.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.S)


def test_the_network_of_the_page_is_a_teacher(rooms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "net.py").write_text(blocks("python")[0])
    said = acclimate(teacher=f"{tmp_path}/net.py:my_teacher", data=rooms, dry_run=True, device="cpu")["teacher"]
    assert said["taps"] == "stem deep" and said["strides"] == "4 16" and said["licence"] == "mit"
    assert "of the labels" in said["view_check"]


def test_its_fields_are_those_of_the_description() -> None:
    table = PAGE.read_text().split("| field | meaning |")[1].split("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines()[1:] if "|" in row)))
    assert named == set(TeacherDescription.__dataclass_fields__)
    keys = {line.split(":")[0] for line in blocks("yaml")[0].splitlines()}
    assert keys <= set(StoredFile.model_fields)


def test_its_adapters_are_there() -> None:
    for file, function in re.findall(r"`(examples/teachers/\w+\.py):(\w+)`", PAGE.read_text()):
        assert f"def {function}(" in (PAGE.parents[1] / file).read_text()


def test_its_links_lead_somewhere() -> None:
    text = PAGE.read_text()
    anchors = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines()
               if line.startswith("#")}  # fmt: skip
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= anchors
