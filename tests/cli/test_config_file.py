"""--config FILE.yaml: any option, and the command line wins."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from disdepth_cli.config import AcclimateConfig, DistillConfig, EvaluateConfig
from disdepth_cli.config.build import build_config


@pytest.fixture
def file(tmp_path):
    """`file(values)` -> a YAML file."""

    def write(values):
        path = tmp_path / "options.yaml"
        path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
        return path

    return write


def test_the_file_gives_options_and_the_command_line_wins(cli, file, rooms, tmp_path):
    options = {"data": str(rooms), "distill": False, "pretrained": False, "offline": True, "device": "cpu"}
    options |= {"input_size": "64x96", "batch_size": 4, "workers": 0, "max_steps": 9, "lr": 0.5, "seed": 7}
    run = tmp_path / "run"
    outcome = cli("distill", "--config", file(options), "--max-steps", "1", "--lr", "0.001", "-o", run, "--quiet")
    assert outcome.code == 0, outcome.err
    written = yaml.safe_load((run / "config.yaml").read_text())
    assert (written["max_steps"], written["lr"], written["seed"], written["distill"]) == (1, 0.001, 7, False)


def test_a_crop_on_the_command_line_leaves_the_files_other_views_alone(file):
    path = file({"data": "x", "augment": {"flip": 0.25, "crop_size": "64x64"}})
    config = build_config(DistillConfig, {"augment": {"crop_size": "96x128"}}, path)
    views = config.data.augment
    assert views.crop_size == (96, 128) and views.flip == 0.25


@pytest.mark.parametrize("verb", ["acclimate", pytest.param("distill", marks=pytest.mark.slow)])
def test_the_flags_of_views_and_of_the_cache(verb, cli, rooms, tiny_teacher, tiny, tmp_path):
    run = tmp_path / "run"
    flags = ("--views", "2", "--view-seed", "5", "--teacher-cache", tmp_path / "cache", "--validate-every", "3")
    flags += ("--crop-size", "32x64", "--no-pretrained", "--offline", "--device", "cpu", "--workers", "0")
    flags += ("--max-steps", "1", "--batch-size", "2", "--input-size", "64x96")
    outcome = cli(verb, "--teacher", tiny_teacher, "--data", rooms, "-o", run, *flags)
    assert outcome.code == 0, outcome.err
    written = yaml.safe_load((run / "config.yaml").read_text())
    assert (written["augment"]["views"], written["augment"]["seed"], written["augment"]["crop_size"]) == (
        2,
        5,
        [32, 64],
    )
    assert (written["teacher_cache"], written["validate_every"]) == (str(tmp_path / "cache"), 3)
    assert "views replayed from" in " ".join(outcome.err.split())
    assert list((tmp_path / "cache").glob("??/*.safetensors"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epoch": 3}, ("unknown option 'epoch'", "did you mean epochs")),
        ({"max-steps": 3}, ("unknown option 'max-steps'", "max_steps")),
        ({"augment": {"flp": 0}}, ("unknown option 'augment.flp'", "did you mean flip")),
        ({7: 3}, ("unknown option '7'",)),
        ({"lr": -1}, ("--lr: ", "greater than 0", "-1")),
        ({"lr": "fast"}, ("--lr: ", "'fast'")),
        ({"student": None}, ("--student: ", "string")),
        ("- a\n- b\n", ("must be a mapping of options, not list",)),
        ("a: [1\n", ("is not valid YAML",)),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(values, words, refused, file):
    line = refused(2, words, "distill", "--data", "x", "--config", file(values))
    assert len(line) < 300


def test_a_missing_file_is_named(refused, tmp_path):
    refused(2, (tmp_path / "no.yaml", "cannot be read"), "distill", "--config", tmp_path / "no.yaml")
    refused(2, (tmp_path, "is a folder, not a file"), "distill", "--config", tmp_path)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--input-size", "big"), ("--input-size", "'big' is not HEIGHTxWIDTH", "240x320")),
        (("--input-size", "8x8"), ("--input-size", "greater than or equal to 32")),
        (("--input-size", "64x99999"), ("--input-size", "4096")),
        (("--views", "0"), ("--augment.views", "greater than or equal to 1")),
        (("--crop-size", "1x2x3"), ("--augment.crop-size", "HEIGHTxWIDTH")),
        (("--lr", "-1"), ("--lr", "greater than 0")),
        (("--lr", "nan"), ("--lr", "finite")),
        (("--lr", "inf"), ("--lr", "finite")),
        (("--epochs", "-2"), ("--epochs", "greater than or equal to 1")),
        (("--batch-size", "0"), ("--batch-size", "at least 1, or auto")),
        (("--max-depth", "-3"), ("--max-depth", "greater than 0")),
        (("--workers", "-1"), ("--workers", "greater than or equal to 0")),
        (("--precision", "int8"), ("--precision", "'fp32', 'bf16' or 'fp16'", "int8")),
        (("--attention", "learnt"), ("--attention", "'learned'")),
        (("--resume",), ("--resume", "-o RUN")),
    ],
)
def test_impossible_options_exit_2_with_their_name(given, words, refused, rooms, short):
    refused(2, words, "distill", "--no-distill", "--data", rooms, *short, *given)


def test_an_empty_depth_range_is_refused(refused, rooms, short):
    options = ("--min-depth", "5", "--max-depth", "2")
    refused(2, ("--min-depth 5", "below --max-depth 2"), "distill", "--no-distill", "--data", rooms, *short, *options)
    refused(2, ("--min-depth 5", "below"), "evaluate", "bundled", "--data", rooms, *options)


def test_python_may_give_a_path_wherever_one_may_be_meant(tmp_path):
    places = {"teacher": tmp_path, "data": Path("x")}
    assert build_config(DistillConfig, places).teacher.names == [str(tmp_path)]
    assert build_config(AcclimateConfig, places).teacher.name == str(tmp_path)
    config = build_config(EvaluateConfig, {"model": tmp_path, **places})
    assert (config.model, config.teacher, config.data) == (str(tmp_path), str(tmp_path), "x")
