"""What a killed write leaves behind: never a dead end, and gone at the next start."""

from __future__ import annotations

from pathlib import Path

import pytest

from disdepth_cli.data.shards.index import INDEX, JOURNAL

SHARDS = ("--shard-count", "8", "--workers", "0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a packing was killed while its first file was written."""
    folder = tmp_path / "shards"
    folder.mkdir()
    (folder / f".{Path(JOURNAL).stem}.0123abcd.tmp.json").write_text('{"options": {')
    return folder


def test_a_packing_killed_in_its_first_write_begins_anew(cli, rooms, folder: Path) -> None:
    outcome = cli("pack", rooms, "-o", folder, *SHARDS)
    assert outcome.code == 0, outcome.err
    assert (folder / INDEX).is_file() and not list(folder.glob(".*"))


def test_resume_says_so_and_harms_nothing(cli, refused, rooms, folder: Path) -> None:
    refused(2, (folder, "no packing was begun there", "leave out --resume"), "pack", rooms, "-o", folder, "--resume")
    assert cli("pack", rooms, "-o", folder, *SHARDS).code == 0


@pytest.mark.parametrize("name", ["notes.txt", ".mine.tmp.json", ".a.0123abcd.tmp/x"])
def test_a_folder_that_holds_anything_else_is_refused(refused, rooms, folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("mine")
    refused(2, (folder, "already holds something"), "pack", rooms, "-o", folder)
    assert (folder / name).read_text() == "mine"


def test_what_a_killed_look_at_a_push_left_goes_with_the_next(cli, tmp_path: Path) -> None:
    left = tmp_path / "hub" / ".student.0123abcd.tmp.safetensors"
    left.parent.mkdir()
    left.write_bytes(b"half")
    outcome = cli("push", "bundled", "--to", "someone/rooms", "--dry-run", "-o", left.parent)
    assert outcome.code == 0, outcome.err
    assert sorted(file.name for file in left.parent.iterdir()) == [
        "README.md",
        "config.json",
        "depth.png",
        "student.safetensors",
    ]


@pytest.mark.parametrize("content", ["[" * 100_000, "null", "{}", '{"options": 3}', "\0"])
def test_a_damaged_journal_is_one_line(refused, rooms, tmp_path: Path, content: str) -> None:
    (tmp_path / JOURNAL).write_text(content)
    refused(1, (tmp_path / JOURNAL, "is damaged"), "pack", rooms, "-o", tmp_path, "--resume")


@pytest.mark.parametrize("verb", ["acclimate", "distill"])
def test_a_run_killed_before_its_first_file_says_that_there_is_none(refused, tmp_path: Path, verb: str) -> None:
    (tmp_path / "run" / "last").mkdir(parents=True)
    words = (tmp_path / "run", "holds no run", "start one without --resume")
    refused(2, words, verb, "--resume", "-o", tmp_path / "run")
