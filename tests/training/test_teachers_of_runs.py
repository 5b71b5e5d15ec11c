"""Which teacher a run learns from is settled once, and never silently another one."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from disdepth_cli import acclimate, distill, evaluate, load_student
from disdepth_cli.errors import ConfigError

TINY = {"student": "mobilenetv2", "input_size": "64x96", "batch_size": 4, "workers": 0, "max_steps": 2, "offline": True}


def options(rooms, output, **more):
    return {**TINY, "data": rooms, "output": output, "pretrained": False, **more}


def test_the_latest_teacher_is_remembered_by_name(acclimated, rooms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(acclimated, tmp_path / "runs" / "one")
    distill(**options(rooms, tmp_path / "student"))
    config = yaml.safe_load((tmp_path / "student" / "config.yaml").read_text())
    assert config["teacher"] == str(tmp_path / "runs" / "one")
    shutil.copytree(acclimated, tmp_path / "runs" / "newer")
    with pytest.raises(ConfigError, match=r"--teacher: the run .* was started with .*one"):
        distill(**options(rooms, tmp_path / "student", resume=True))


def test_an_unfinished_acclimation_is_refused(acclimated, rooms, tmp_path):
    run = tmp_path / "unfinished"
    shutil.copytree(acclimated, run)
    (run / "report.json").unlink()
    with pytest.raises(ConfigError, match="is unfinished; go on with: disdepth acclimate --resume"):
        distill(**options(rooms, tmp_path / "student", teacher=str(run)))


def test_an_acclimation_of_another_teacher_is_not_taken(acclimated, rooms, tiny_relative_teacher, tmp_path):
    shutil.copytree(acclimated, tmp_path / "student-teacher")
    with pytest.raises(ConfigError, match="holds another teacher's acclimation"):
        distill(**options(rooms, tmp_path / "student", teacher=str(tiny_relative_teacher)))


@pytest.mark.slow
def test_learned_attention_wants_tokens_that_were_trained(rooms, tiny_teacher, tmp_path):
    acclimate(**options(rooms, tmp_path / "plain", teacher=str(tiny_teacher)))
    with pytest.raises(ConfigError, match="--attention learned: .*plain .* acclimate again with --attention-steps 100"):
        distill(**options(rooms, tmp_path / "student", teacher=str(tmp_path / "plain"), attention="learned"))
    distill(**options(rooms, tmp_path / "other", teacher=str(tiny_teacher), attention="learned"))
    assert (tmp_path / "other-teacher" / "attention.csv").is_file()
    assert not (tmp_path / "plain" / "attention.csv").exists()


def test_another_working_size_is_refused(acclimated, rooms, tmp_path):
    with pytest.raises(ConfigError, match="input size 64x96"):
        distill(**options(rooms, tmp_path / "student", teacher=str(acclimated), input_size="96x128"))


@pytest.mark.slow
def test_a_relative_teacher_never_stands_for_metres(rooms, tiny_relative_teacher, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(rooms.parent / "rgb", images)
    alone = acclimate(**options(images, tmp_path / "a", teacher=str(tiny_relative_teacher), attention_steps=1))
    assert alone["output_kind"] == "disparity" and set(alone["ghost_metrics"]) == {"disparity_error"}
    report = acclimate(**options(rooms, tmp_path / "b", teacher=str(tiny_relative_teacher), attention_steps=1))
    assert report["teacher_protocol"]["align"] == "scale-shift"
    assert report["teacher_protocol"]["space"] == "disparity"
    assert report["rmse_ratio_ghost_to_teacher"] is None
    with pytest.raises(ConfigError, match="--output-target teacher: .* gives disparity"):
        distill(**options(rooms, tmp_path / "c", teacher=str(tmp_path / "b"), output_target="teacher"))
    unlabelled = distill(**options(images, tmp_path / "d", teacher=str(tmp_path / "b")))
    assert unlabelled["scored_against"] == "the acclimated teacher's depth"


def test_images_of_one_name_in_two_folders_all_count(rooms, acclimated, tmp_path):
    for name in ("s1", "s2"):
        shutil.copytree(rooms.parent, tmp_path / "data" / name)
    root = tmp_path / "data"
    (root / "data.yaml").write_text("path: s1\nval: [../s1, ../s2]\nmin_depth: 0\nmax_depth: 10\n")
    result = evaluate(model=str(acclimated), data=root / "data.yaml", workers=0, offline=True)
    assert result["images"] == 40 and result["protocol"]["min_depth"] == 0.001


def test_without_labels_the_range_is_the_teachers(rooms, tiny_teacher, tmp_path):
    far = tmp_path / "far"
    shutil.copytree(tiny_teacher, far)
    described = json.loads((far / "config.json").read_text())
    (far / "config.json").write_text(json.dumps(described | {"max_depth": 20}))
    shutil.copytree(rooms.parent / "rgb", tmp_path / "images")
    distill(**options(tmp_path / "images", tmp_path / "student", teacher=str(far)))
    student = load_student(tmp_path / "student")
    assert student.architecture.max_depth == student.decoder.head.max_depth == 20
