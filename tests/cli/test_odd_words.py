"""Odd values in the files that people give: each is one line with the file's name and the reason."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from disdepth_cli.config import (
    AcclimateConfig,
    CheckConfig,
    DistillConfig,
    EvaluateConfig,
    PackConfig,
    PredictConfig,
    PushConfig,
)
from disdepth_cli.config.build import build_config
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import ConfigError, DataError, TeacherError, near_names
from disdepth_cli.reading import MOST_VALUES, yaml_values
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.runs.folder import RunFolder

ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)

ODD = {
    "an impossible date": ("train: 2024-13-45", "month must be in 1..12"),
    "a number of 5,000 digits": ("max_depth: " + "9" * 5000, "digits"),
    "deep nesting": ("train: " + "[" * 5000, "nested too deeply"),
    "aliases of aliases": (ALIASES + "train: *h", f"more than {MOST_VALUES} values"),
    "an alias of itself": ("train: &a [*a]", "an alias that holds itself"),
    "a key that is there twice": ("max_depth: 5\nmin_depth: 1\nmax_depth: 8", "'max_depth' is there twice, on lines 1"),
    "a NUL": ("train: 'a\0b'", "special characters"),
    "a tag of Python's": ("train: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    "bytes of no text": (b"train: \xff\xfe\xff", "YAML"),
}  # fmt: skip


def written(file: Path, text: str | bytes) -> Path:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize("kind", ODD)
def test_odd_yaml_is_named_with_its_reason(kind: str, tmp_path: Path) -> None:
    text, words = ODD[kind]
    file = written(tmp_path / "data.yaml", text)
    with pytest.raises(DataError) as data:
        load_source(file)
    with pytest.raises(ConfigError) as config:
        build_config(DistillConfig, {"data": "x"}, file)
    assert str(data.value).startswith(f"{file}: is not valid YAML (")
    assert str(config.value).startswith(f"--config {file}: is not valid YAML (")
    for error in (data, config):
        assert words in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


def test_aliases_and_merged_keys_are_welcome() -> None:
    text = "a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, x: 3}\nd: [*a, *a]"
    assert yaml_values(text)["c"] == {"x": 3, "y": 2} and yaml_values("") is None
    with pytest.raises(ValueError, match="'x' is there twice"):
        yaml_values("- {x: 1, x: 2}")


PLACES = ("~no-such-user-here/data", "x" * 5000, "a\0b", "\ud800", "folder/" * 900 + "data.yaml", "x" * 300 + ".yaml")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("given", ["data", "path", "train", "list"])
def test_odd_places_are_one_line(place: str, given: str, tmp_path: Path) -> None:
    file = tmp_path / "data.yaml"
    if given == "list":
        (tmp_path / "train.txt").write_text(f"{place} {place}\n", errors="surrogatepass")
        file.write_text("train: train.txt\n")
    elif given != "data":
        file.write_text(f"{given}: {ascii(place).replace(chr(39), chr(34))}\n")
    with pytest.raises(DataError) as error:
        load_source(place if given == "data" else file)
    assert "\n" not in str(error.value)
    assert given == "data" or str(tmp_path) in str(error.value)


@pytest.mark.parametrize("name", ["pipe", "null", "zero"])
@pytest.mark.parametrize("what", ["rgb/0.png", "depth/0.png", "train.txt"])
@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
def test_what_is_no_regular_file_is_never_read(name: str, what: str, rooms, own_rooms, cli) -> None:
    file = own_rooms.parent / what
    if what.startswith(("rgb", "depth")):
        file = sorted(file.parent.iterdir())[0]
    file.unlink()
    if name == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to(f"/dev/{name}")
    outcome = cli("check", own_rooms, "--no-picture")
    assert outcome.code == 1
    assert f"{file}: is a pipe or a device, not a file" in outcome.out + outcome.err


# names of options


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("learning_rate", "; did you mean lr?"),
        ("epoch", "; did you mean epochs?"),
        ("batchsize", "; did you mean batch_size?"),
        ("max_iters", "; did you mean max_steps"),
        ("precison", "; did you mean precision"),
        ("colour", ""),
        ("imgsz", ""),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_near_names_are_no_nonsense(name: str, near: str) -> None:
    said = near_names(name, DistillConfig.options())
    assert said.startswith(near) and bool(said) == bool(near)


@pytest.mark.parametrize("value", [[0.9], [], [0.9, 1.0, 1.1], "x", {"a": 1}])
def test_a_pair_that_is_none(value, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--augment\.colour: ") as error:
        build_config(DistillConfig, {"data": "x", "augment": {"colour": value}})
    assert "\n" not in str(error.value)


def test_a_home_in_every_path(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "t").mkdir()
    kinds = {
        AcclimateConfig: {"teacher": "~/t", "data": "~/d", "output": "~/o", "ghost": "~/g", "teacher_cache": "~/c"},
        DistillConfig: {"teacher": ["~/t"], "data": "~/d", "output": "~/o", "student_weights": "~/w"},
        EvaluateConfig: {"model": "~/m", "data": "~/d", "teacher": "~/t", "per_image": "~/p", "output": "~/o"},
        PredictConfig: {"sources": ["x"], "model": "~/c", "output": "~/o"},
        CheckConfig: {"data": "~/d", "output": "~/o"},
        PackConfig: {"data": "~/d", "output": "~/o"},
        PushConfig: {"model": "~/s", "to": "a/b", "control": "~/c", "picture": ["~/p"], "output": "~/o"},
    }
    for kind, options in kinds.items():
        built = build_config(kind, options)
        for name, value in options.items():
            if "~" in str(value):
                found = built.get(name)
                found = found[0] if isinstance(value, list) else found
                assert str(found) == str(tmp_path / str(value).strip("[']")[2:]), (kind, name)


@pytest.mark.parametrize("name", ["data", "output", "teacher_cache", "teacher"])
def test_a_home_of_nobody_is_one_line(name: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"--{name.replace('_', '-')}: ~no-such-user-here is no home folder on this machine"
    ):
        build_config(DistillConfig, {"data": "x", name: "~no-such-user-here/x"})


LONG, NO_TEXT = "x" * 5000, "\udcff\udcfe"
COMMANDS = (
    ("distill", "--no-distill", "--data", "DATA", "-o", "PLACE", "--student", "nosuch"),
    ("distill", "--resume", "-o", "PLACE"),
    ("distill", "--teacher", "PLACE", "--data", "DATA", "--offline", "-o", "OUT"),
    ("distill", "--student-weights", "PLACE", "--data", "DATA", "--no-distill", "--offline", "-o", "OUT"),
    ("acclimate", "--teacher", "PLACE", "--dry-run", "--offline"),
    ("evaluate", "PLACE", "--data", "DATA", "--offline"),
    ("evaluate", "bundled", "--data", "PLACE"),
    ("predict", "PLACE"),
    ("check", "PLACE"),
    ("pack", "PLACE", "-o", "OUT"),
    ("push", "PLACE", "--to", "a/b", "--dry-run"),
)


@pytest.mark.parametrize("place", [LONG, NO_TEXT, "~no-such-user-here/x"], ids=["long", "no text", "nobody"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[:3]))
def test_odd_places_on_the_command_line_are_worded(command, place, cli, rooms, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    known = {"DATA": str(rooms), "PLACE": place, "OUT": str(tmp_path / "out")}
    outcome = cli(*(known.get(word, word) for word in command))
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert outcome.code in (1, 2) and "DISDEPTH_DEBUG" not in line and len(line) < 400 + len(place)


def test_a_run_remembers_names_that_are_no_text(tmp_path) -> None:
    config = DistillConfig(data=f"{tmp_path}/{NO_TEXT}", output=tmp_path / "run")
    RunFolder.open(config, "distill", "x")
    assert RunContents(tmp_path / "run").config()["data"] == f"{tmp_path}/{NO_TEXT}"
    RunFolder.open(config.model_copy(update={"resume": True}), "distill", "x")


def test_a_message_keeps_its_ends_and_stays_short() -> None:
    short, long = DataError("a" * 1000), DataError(f"begin {'x' * 5000} end")
    assert str(short) == "a" * 1000
    assert len(str(long)) <= 1000 and str(long).startswith("begin x") and str(long).endswith("x end")


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_a_teachers_file_that_is_nested_too_deeply(name: str, tmp_path: Path) -> None:
    from disdepth_cli.checkpoint.locate import TINY_TEACHER
    from disdepth_cli.teachers import load_teacher

    teacher = shutil.copytree(TINY_TEACHER, tmp_path / "teacher")
    (teacher / name).write_text("[" * 100_000)
    with pytest.raises(TeacherError, match=rf"teacher/{name}: cannot be read as JSON \(it is nested too deeply\)"):
        load_teacher(str(teacher))
