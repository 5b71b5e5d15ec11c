"""Whole runs on images without ground truth: alone, or beside labelled ones."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from disdepth_cli import acclimate, distill, evaluate, predict
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.models.student import load_checkpoint
from disdepth_cli.scoring.acclimated_run import load_acclimated


@pytest.fixture(scope="module")
def relative_run(photos, tiny_relative_teacher, tiny, tmp_path_factory):
    """A student of relative disparity: a relative teacher, and nothing that says what a metre is."""
    folder = tmp_path_factory.mktemp("relative")
    common = {"data": photos, "max_steps": 6, **tiny}
    acclimate(teacher=str(tiny_relative_teacher), output=folder / "teacher", attention_steps=2, **common)
    distill(teacher=str(folder / "teacher"), output=folder / "student", **common)
    return folder


def test_a_relative_student_knows_what_it_is(relative_run):
    metadata = read_metadata(relative_run / "student" / "student.safetensors")
    assert metadata.output_kind == "disparity" and (metadata.min_depth, metadata.max_depth) == (0.0, 1.0)
    assert metadata.teacher.kind == "disparity" and set(metadata.metrics) == {"disparity_error"}
    acclimated, ghost = load_acclimated(relative_run / "teacher", "fp32")
    low, high = ghost.disparity_range
    assert acclimated.output_kind == "disparity" and low <= 0 < high
    image = torch.rand(1, 3, 64, 96)
    own = acclimated.teacher(image).depth
    assert torch.allclose(acclimated.infer(image).depth, ((own - low) / (high - low)).clamp(0, 1))
    report = json.loads((relative_run / "student" / "report.json").read_text())
    assert report["scored_against"] == "the acclimated teacher's disparity"
    assert report["protocol"]["space"] == "disparity" and report["images"] == {"labelled": 0, "unlabelled": 18}


def test_its_parts_are_logged(relative_run):
    with open(relative_run / "student" / "metrics.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    train = next(row for row in rows if row["split"] == "train")
    assert float(train["depth"]) > 0 and float(train["anchor"]) > 0
    assert float(train["labelled_images"]) == 0 and 0.8 < float(train["pseudo_pixels"]) <= 0.91
    assert all(float(row["disparity_error"]) > 0 for row in rows if row["split"] == "val")


def test_it_is_evaluated_after_an_alignment_in_disparity(relative_run, rooms):
    run = relative_run / "student"
    with pytest.raises(ConfigError, match="relative disparity, not metres: use --align scale-shift"):
        evaluate(model=str(run), data=rooms, workers=0)
    result = evaluate(model=str(run), data=rooms, align="scale-shift", workers=0)
    assert (result["protocol"]["align"], result["protocol"]["space"]) == ("scale-shift", "disparity")
    assert result["images"] == 3 and 0 < result["abs_rel"] < 1


@pytest.mark.slow
def test_nothing_it_predicts_is_called_metres(relative_run, photos, tmp_path):
    photo = sorted(photos.iterdir())[0]
    result = predict(photo, model=relative_run / "student", output=tmp_path, save_numpy=True)
    assert result["kind"] == "disparity" and "metre" not in json.dumps(result.as_dict())
    one = result["results"][0]
    stored = Image.open(one["disparity"])
    assert "metre" not in stored.info["disdepth:unit"] and float(stored.info["disdepth:scale"]) == 65535
    values = np.load(one["numpy"])
    assert np.abs(np.asarray(stored) / 65535 - values).max() < 1e-4  # not stretched: images can be compared
    assert values.min() >= 0 and values.max() <= 1
    assert {file.name for file in tmp_path.iterdir()} == {
        f"{photo.stem}_{end}" for end in ("disparity.png", "disparity.npy", "color.png")
    }


def test_metres_cannot_be_asked_of_it(photos, tiny_relative_teacher, tiny, tmp_path):
    with pytest.raises(ConfigError, match="has no metres"):
        acclimate(
            teacher=str(tiny_relative_teacher), data=photos, output=tmp_path / "a", max_depth=10, max_steps=2, **tiny
        )


def test_a_relative_ghost_does_not_serve_a_student_in_metres(relative_run, rooms, tiny, tmp_path):
    with pytest.raises(ConfigError, match="acclimated for output kind disparity, not metric_depth"):
        distill(teacher=str(relative_run / "teacher"), data=rooms, output=tmp_path / "a", max_steps=2, **tiny)


def test_an_encoder_needs_ground_truth(photos, tiny, tmp_path):
    vit = {"teacher": "timm:vit_tiny_patch16_224", "teacher_weights": timm_weights(tmp_path)}
    with pytest.raises(DataError, match="gives none, not metres; give labelled images"):
        acclimate(data=photos, output=tmp_path / "a", **vit, **tiny)


def timm_weights(folder):
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(timm.create_model("vit_tiny_patch16_224").state_dict(), folder / "vit.safetensors")
    return folder / "vit.safetensors"


@pytest.mark.parametrize("kind", [pytest.param("metric", marks=pytest.mark.slow), "relative"])
def test_labelled_and_unlabelled_images_in_one_run(
    kind, mixed, tiny_teacher, tiny_relative_teacher, tiny, watcher, tmp_path
):
    """In metres with either teacher: what a metre is, the labelled images say."""
    teacher = tiny_teacher if kind == "metric" else tiny_relative_teacher
    options = {"data": mixed, "max_steps": 8, **tiny}
    acclimate(teacher=str(teacher), output=tmp_path / "teacher", attention_steps=2, observers=[watcher], **options)
    if kind == "relative":  # its shape teaches on unlabelled images, its aligned depth on labelled ones
        assert all(parts["teacher"] > 0 for parts in watcher.parts[:8])
    report = distill(teacher=str(tmp_path / "teacher"), output=tmp_path / "run", observers=[watcher], **options)
    assert any("6 labelled and 11 unlabelled train (65 % without ground truth)" in note for note in watcher.notes)
    assert report["images"] == {"labelled": 6, "unlabelled": 11} and report["output_kind"] == "metric_depth"
    assert report["scored_against"] == "ground truth" and report["best"]["rmse"] > 0
    steps = [parts for parts in watcher.parts if "pseudo_pixels" in parts]
    shares = [parts["labelled_images"] for parts in steps]
    assert len(steps) == 8 and 0 < np.mean(shares) < 0.7 and min(shares) < max(shares)
    for parts in steps:  # at most nine tenths of what has no ground truth counts
        assert parts["pseudo_pixels"] <= 0.91 * (1 - parts["labelled_images"])
    metadata = load_checkpoint(tmp_path / "run")[1]
    assert metadata.recipe["pseudo_drop"] == 0.1 and "labelled_images" not in metadata.metrics


@pytest.mark.slow
def test_unlabelled_images_change_the_student_and_the_control_leaves_them_out(
    mixed, rooms, tiny_teacher, tiny, watcher, tmp_path
):
    acclimate(
        teacher=str(tiny_teacher), data=mixed, output=tmp_path / "teacher", max_steps=2, attention_steps=1, **tiny
    )
    few = yaml.safe_load(mixed.read_text())
    del few["unlabeled"]
    (tmp_path / "few.yaml").write_text(yaml.safe_dump(few))
    common = {"max_steps": 1, **tiny}  # one step, one validation: no best of several to choose
    distill(teacher=str(tmp_path / "teacher"), data=mixed, output=tmp_path / "with", **common)
    distill(teacher=str(tmp_path / "teacher"), data=tmp_path / "few.yaml", output=tmp_path / "without", **common)
    distill(distill=False, data=mixed, output=tmp_path / "control", observers=[watcher], **common)
    distill(distill=False, data=tmp_path / "few.yaml", output=tmp_path / "plain", **common)
    weights = {run: (tmp_path / run / "student.safetensors").read_bytes() for run in ("with", "without")}
    assert weights["with"] != weights["without"]
    controls = [load_checkpoint(tmp_path / run)[0].state_dict() for run in ("control", "plain")]
    assert all(torch.equal(controls[0][name], controls[1][name]) for name in controls[0])
    assert any("as many steps, all of them on the labelled images" in note for note in watcher.notes)


@pytest.mark.slow
def test_a_relative_student_does_not_drift_in_500_steps(photos, relative_run, tiny, tmp_path):
    """Its outputs stay where the teacher's disparity is, also at the end of a long run."""
    distill(teacher=str(relative_run / "teacher"), data=photos, output=tmp_path / "run", max_steps=500, **tiny)
    student, _ = load_checkpoint(tmp_path / "run")
    acclimated, _ = load_acclimated(relative_run / "teacher", "fp32")
    images = torch.stack([_view(file) for file in sorted(photos.iterdir())])
    with torch.no_grad():
        ours, theirs = student(images).depth, acclimated.infer(images).depth
    assert abs(ours.median() - theirs.median()) < 0.1
    assert ours.std() < 2 * theirs.std()  # less it may be: much of what a random teacher says is noise
    with open(tmp_path / "run" / "metrics.csv", newline="") as handle:
        anchor = [float(row["anchor"]) for row in csv.DictReader(handle) if row["split"] == "train"]
    assert np.mean(anchor[-5:]) < anchor[0]  # the distance in scale falls, and does not come back


def _view(file):
    return torch.from_numpy(np.asarray(Image.open(file).convert("RGB")).copy()).permute(2, 0, 1).float() / 255
