"""A run whose files were damaged, cut off or left behind by a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from disdepth_cli.config import DistillConfig
from disdepth_cli.errors import ConfigError, TrainingError
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.runs.metrics_table import MetricsTable

HEADER = "step,epoch,split,loss\n"
GOOD = HEADER + "10,1,train,0.5\n12,1,val,\n20,2,train,0.4\n"


@pytest.fixture
def table(tmp_path: Path):
    """`table(content)`: (the rows that are kept up to step 20, what is said)."""

    def read(content: bytes | None) -> tuple[list[str], list[str]]:
        file, said = tmp_path / "metrics.csv", []
        if content is not None:
            file.write_bytes(content)
        kept = MetricsTable(file, 20, said.append)
        kept.add(30, 3, "train", {"loss": 0.25})
        return file.read_text().splitlines(), said

    return read


def test_a_whole_table_goes_on(table) -> None:
    rows, said = table((GOOD + "25,3,train,0.3\n").encode())
    assert rows == [*GOOD.splitlines(), "30,3,train,0.25"] and not said


@pytest.mark.parametrize("torn", ["21", "2", "21,3,tra", "21,3,train,0.", '"21,3'])
def test_a_last_row_that_a_kill_cut_off_is_dropped(table, torn: str) -> None:
    rows, said = table((GOOD + torn).encode())
    assert rows == [*GOOD.splitlines(), "30,3,train,0.25"] and not said


@pytest.mark.parametrize(
    "content",
    [bytes(300), b"\xff\xfe\x00junk\n", (GOOD + "\0\0\0\n").encode(), (GOOD + "x,y,z,1\n").encode(), b"a,b\n1,2\n",
     (GOOD + "5,1\n").encode(), (GOOD + "5,1,train,1,2,3\n").encode()],
)  # fmt: skip
def test_a_damaged_table_is_put_aside_and_told(table, tmp_path: Path, content: bytes) -> None:
    rows, said = table(content)
    assert rows == ["step,epoch,split,loss", "30,3,train,0.25"]
    (line,) = said
    assert str(tmp_path / "metrics.csv") in line and "metrics.damaged.csv now" in line
    assert (tmp_path / "metrics.damaged.csv").read_bytes() == content
    table(content)
    assert (tmp_path / "metrics.damaged1.csv").read_bytes() == content


def test_a_table_that_is_gone_is_told(table) -> None:
    rows, said = table(None)
    assert rows == ["step,epoch,split,loss", "30,3,train,0.25"] and "metrics.csv: is gone" in said[0]


def test_a_run_that_begins_has_nothing_to_tell(tmp_path: Path) -> None:
    said: list[str] = []
    MetricsTable(tmp_path / "metrics.csv", 0, said.append)
    assert not said


# the resume state


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    (run.path / "last").mkdir(parents=True)
    tensors = {"a": torch.arange(12.0).view(3, 4), "b": torch.tensor(7), "c": torch.ones(3).bfloat16()}
    run.state.save(tensors, {"done": 3, "best": {"rmse": 0.5}})
    return run


def test_a_state_comes_back_as_it_was(run: RunFolder) -> None:
    loaded = run.state.load()
    assert loaded is not None and loaded[1] == {"done": 3, "best": {"rmse": 0.5}}
    assert torch.equal(loaded[0]["a"], torch.arange(12.0).view(3, 4)) and loaded[0]["c"].dtype == torch.bfloat16


def test_every_flipped_bit_of_a_state_is_seen(run: RunFolder) -> None:
    whole = run.state.file.read_bytes()
    for place in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1
        run.state.file.write_bytes(spoilt)
        with pytest.raises(TrainingError, match="the resume state is damaged"):
            pytest.fail(f"byte {place}, {whole[place:][:20]!r}: {run.state.load()}")


def test_a_state_without_a_digest_is_an_older_runs(run: RunFolder) -> None:

    run.state.file.write_bytes(
        safetensors.torch.save({"a": torch.ones(2)}, {"disdepth-state": json.dumps({"done": 1})})
    )
    assert run.state.load()[1] == {"done": 1}  # type: ignore[index]


# what killed writes leave


def config(place: Path, **more) -> DistillConfig:
    return DistillConfig(data="x", output=place, **more)


def test_a_kill_while_the_first_file_is_written_is_no_dead_end(tmp_path: Path) -> None:
    place = tmp_path / "run"
    (place / "last").mkdir(parents=True)
    left = place / ".config.0123abcd.tmp.yaml"
    left.write_text("verb: dis")
    with pytest.raises(ConfigError, match="start one without --resume"):
        RunFolder.open(config(place, resume=True), "distill", "x")
    left.write_text("verb: dis")
    RunFolder.open(config(place), "distill", "x")
    assert not left.exists() and (place / "config.yaml").is_file()


def test_a_kill_before_the_first_state_leaves_an_arm_free_to_begin(tmp_path: Path) -> None:
    (tmp_path / "last").mkdir()
    (tmp_path / "last" / ".entries.0123abcd.tmp.json").write_text("{")
    run = RunFolder(tmp_path)
    assert not run.began
    run.check_free()
    run.state.file.write_text("")
    with pytest.raises(ConfigError, match="already holds something"):
        run.check_free()


def test_temporary_files_of_killed_writes_go_at_the_next_start(run: RunFolder) -> None:
    names = [".metrics.0123abcd.tmp.csv", "last/.state.89abcdef.tmp.safetensors", ".student.01234567.tmp.safetensors"]
    for name in (*names, ".mine.tmp.txt", "notes.tmp"):
        (run.path / name).write_text("")
    (run.path / "config.yaml").write_text("verb: distill\n")
    RunFolder.open(config(run.path, resume=True), "distill", "x")
    assert not any((run.path / name).exists() for name in names)
    assert (run.path / ".mine.tmp.txt").exists() and (run.path / "notes.tmp").exists()


# what the data holds


def entries(train: int, digest: str = "a", depth: str = "stored / 1000") -> dict:
    return {"train": {"images": train, "digest": digest}, "val": {"images": 3, "digest": "v"}, "depth": depth}


def test_the_same_entries_may_move_and_others_are_counted(run: RunFolder) -> None:
    def again(held: dict, data: str = "x") -> None:
        RunFolder.open(DistillConfig(data=data, output=run.path, resume=True), "distill", "x", held)

    (run.path / "config.yaml").write_text("verb: distill\ndata: old\n")
    again(entries(8))
    again(entries(8), "/elsewhere/data.yaml")
    assert "data: /elsewhere/data.yaml" in (run.path / "config.yaml").read_text()
    for held, words in (
        (entries(10), "began with 8 training images, now there are 10"),
        (entries(8, "b"), "has 8 training images as it began with, but not the same ones"),
        (entries(8, depth="stored / 256"), r"began with depth \[m\] = stored / 1000, now it is stored / 256"),
    ):
        with pytest.raises(ConfigError, match=f"{words}.*--data PLACE"):
            again(held, "/wrong/data.yaml")
    assert "data: /elsewhere/data.yaml" in (run.path / "config.yaml").read_text()


def test_before_the_first_state_the_data_may_still_change(tmp_path: Path) -> None:
    for held in (entries(8), entries(10)):
        RunFolder.open(config(tmp_path / "run"), "distill", "x", held)
    assert json.loads((tmp_path / "run/last/entries.json").read_text())["train"]["images"] == 10
