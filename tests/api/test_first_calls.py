"""The calls that a newcomer tries first work, or say in one line what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from disdepth_cli import (
    Depth,
    DisdepthError,
    acclimate,
    check,
    distill,
    evaluate,
    load_student,
    pack,
    predict,
    push,
)
from disdepth_cli.config import EvaluateConfig, PredictConfig

TINY = {"input_size": "64x96", "max_steps": 2, "workers": 0, "batch_size": 4}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_predict_gives_depth_and_writes_nothing(desk):
    before = names(desk)
    depth = predict("image.png").depth
    assert isinstance(depth, Depth) and depth.unit == "metres" and depth.values.shape == (64, 96)
    exact = load_student("bundled").predict("image.png").values
    assert np.allclose(depth.values, exact, rtol=1e-5)  # the fastest runtime, where one is installed
    assert np.array_equal(predict("image.png", backend="torch").depth.values, exact)
    assert names(desk) == before


def test_predict_several_with_a_model(desk):
    result = predict(["image.png", Path("other.png")], model="bundled")
    assert [one.image.name for one in result.results] == ["image.png", "other.png"]
    assert [depth.values.shape for depth in result.depths] == [(64, 96)] * 2
    with pytest.raises(DisdepthError, match=r"2 images: take \.depths"):
        _ = result.depth
    assert len(predict("rgb").results) == 20 and len(predict("*.png").results) == 2


def test_predict_into_a_folder(desk):
    plain = predict("image.png").depth
    result = predict("image.png", output="out")
    assert names(desk / "out") == ["image_color.png", "image_depth.png"]
    assert np.abs(result.depth.values - plain.values).max() <= 0.0005 + 1e-6  # read from the PNG
    exact = predict(Path("image.png"), output=Path("exact"), save_numpy=True)
    assert np.array_equal(exact.depth.values, plain.values) and exact.depth.max_depth == plain.max_depth
    assert exact.results[0].smallest == round(float(plain.values.min()), 3)


def test_evaluate(desk):
    result = evaluate("bundled", "data.yaml", baselines=False)
    assert result.model == "bundled" and result.images == 3 and result.rmse == result["rmse"] > 0
    assert evaluate(Path("teacher"), Path("data.yaml"), baselines=False).images == 3


def test_check_and_pack(desk):
    result = check(".", picture=False)
    assert result.ok and result.splits["train"]["pairs"] > 0
    packed = pack(".", "shards", workers=0)
    assert packed.train["images"] + packed.val["images"] == 20 and Path(packed.index).is_file()
    assert check("shards", picture=False).ok


@pytest.mark.slow
def test_acclimate_distill_and_push(desk):
    described = acclimate("teacher", ".", dry_run=True)
    assert described.teacher["kind"] == "metric_depth"
    run = acclimate("teacher", "data.yaml", output="acclimated", **TINY).run
    student = distill("data.yaml", student="mobilenetv2", teacher=run, pretrained=False, output="run", **TINY)
    assert student.distilled and student.steps == 2 and student.best["rmse"] > 0
    plan = distill("data.yaml", teacher=Path(run), pretrained=False, dry_run=True, **TINY)
    assert plan.plan["teacher_state"] == f"acclimated in {(desk / run).absolute()}"
    pushed = push("run", "owner/name", dry_run=True)
    assert pushed.folder == "run/hub" and not pushed.sent and (desk / "run" / "hub" / "README.md").is_file()
    for model in ("acclimated", "run", Path("run") / "student.safetensors"):
        assert predict("image.png", model=model).depth.unit == "metres"


ARRAY = np.zeros((48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: predict("nothing.png"), ("nothing.png: no such image",)),
        (lambda: predict(), ("--sources: is missing", "images, folders")),
        (lambda: predict([]), ("--sources",)),
        (lambda: predict(ARRAY), ("--sources", "load_student(...).predict(image)")),
        (lambda: predict([ARRAY, ARRAY]), ("--sources", "load_student(...).predict(image)")),
        (lambda: predict("image.png", modle="bundled"), ("unknown option 'modle'", "did you mean model")),
        (lambda: predict("image.png", model="no.safetensors"), ("no.safetensors: no such checkpoint",)),
        (lambda: predict("image.png", model=3), ("--model", "got 3")),
        (lambda: predict("image.png", save_numpy=True), ("save_numpy: is for files", "output=FOLDER")),
        (lambda: predict("image.png", colormap="magma"), ("colormap: is for files",)),
        (lambda: predict("image.png", device="gpu"), ("--device gpu",)),
        (lambda: predict("image.png", config=PredictConfig(sources=["a"])), ("config: holds all options", "sources")),
        (lambda: predict(config={"sources": "a"}), ("config: is of type dict", "PredictConfig")),
        (lambda: predict(PredictConfig(sources=["a"])), ("is a PredictConfig", "config=")),
        (lambda: evaluate("bundled"), ("--data: is missing", "data.yaml")),
        (lambda: evaluate(config="options.yaml"), ("config: is of type str", "EvaluateConfig")),
        (lambda: evaluate("bundled", "data.yaml", protocl="plain"), ("unknown option 'protocl'", "protocol")),
        (lambda: evaluate("bundled", "nowhere.yaml"), ("nowhere.yaml", "does not exist")),
        (lambda: evaluate("data.yaml", "bundled"), ("bundled",)),
        (lambda: check("nowhere"), ("nowhere",)),
        (lambda: check(), ("--data: is missing",)),
        (lambda: acclimate("owner/name", "."), ("owner/name", "not in the local cache")),
        (lambda: acclimate("owner/name"), ("--data: is missing",)),
        (lambda: acclimate("teacher", ".", studnt="resnet18"), ("unknown option 'studnt'", "student")),
        (lambda: distill("data.yaml", student="mobilenetv2"), ("no acclimated teacher for mobilenetv2",)),
        (lambda: distill("data.yaml", teacher="owner/name"), ("owner/name",)),
        (lambda: pack("data.yaml"), ("--output: is missing", "folder")),
        (lambda: push("run", "owner/name"), ("run: no such run or file",)),
        (lambda: push(model="run", to="no name", dry_run=True), ("no name",)),
        (lambda: load_student("nowhere.safetensors"), ("no such checkpoint",)),
        (lambda: load_student("bundled").predict(ARRAY / 255), ("float64", "give uint8")),
        (lambda: load_student("bundled").predict(["image.png"]), ("predict_batch",)),
        (lambda: load_student("bundled").predict_batch("image.png"), ("several images", "predict")),
        (lambda: load_student("bundled").predict_batch([ARRAY, "no.png"]), ("image 1 of the batch", "no.png")),
    ],
)
def test_what_is_wrong_is_one_line(call, words, desk):
    with pytest.raises(DisdepthError) as refused:
        call()
    message = str(refused.value)
    assert "\n" not in message and len(message) < 400
    for word in words:
        assert word in message


def test_the_old_name_of_the_model_is_taken(desk, monkeypatch):
    new = predict("image.png", model="bundled").depth
    assert np.array_equal(predict("image.png", checkpoint="bundled").depth.values, new.values)


def test_a_configuration_may_stand_for_all_options(desk):
    config = EvaluateConfig(model="bundled", data="data.yaml", baselines=False)
    assert evaluate(config=config).rmse == evaluate("bundled", "data.yaml", baselines=False).rmse
    assert predict(config=PredictConfig(sources=["image.png"], output=None)).depth.unit == "metres"


def test_an_unreadable_image_is_an_entry_of_errors(desk):
    (desk / "broken.png").write_bytes(b"no image")
    result = predict(["broken.png", "image.png"])
    assert len(result.results) == 1 and result.depth is result.results[0].depth
    (error,) = result.errors
    assert error.startswith("broken.png: is not a readable image")


def test_images_of_every_form(desk):
    student = load_student("bundled")
    image = Image.open("image.png")
    expected = student.predict("image.png").values
    forms = [Path("image.png"), Path("image.png").read_bytes(), image, np.asarray(image)]
    for one, depth in zip(forms, student.predict_batch(forms), strict=True):
        assert np.array_equal(depth.values, expected)
        assert np.array_equal(student.predict(one).values, expected)
    assert student.predict_batch([]) == []
