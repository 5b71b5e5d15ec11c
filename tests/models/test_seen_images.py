"""What a student knows of its training images, and what predict says of images that are unlike them."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli import distill, export, load_student
from disdepth_cli.checkpoint.metadata import read_metadata, save_checkpoint
from disdepth_cli.data.files.any_image import as_rgb
from disdepth_cli.errors import CheckpointError
from disdepth_cli.exporting.check import compare
from disdepth_cli.exporting.exported import ExportedPredictor, exported_about, open_exported
from disdepth_cli.exporting.format_table import open_session
from disdepth_cli.seen_images import SeenImages

NOISE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
SMALL = NOISE[:64, :96]  # of the rooms' size


def test_one_in_twenty_is_as_unlike_as_is_usual():
    rng = np.random.default_rng(0)
    seen = SeenImages.of(rng.normal(3.0, 0.5, (100, 40)))
    assert seen is not None
    others = [seen.unlike(one) for one in rng.normal(3.0, 0.5, (400, 40))]
    assert 0.01 < np.mean(np.array(others) > 1) < 0.1
    assert seen.unlike(np.full(40, 5.0)) > 2


@pytest.mark.parametrize("means", [np.ones((19, 4)), np.full((40, 4), np.nan), np.ones((40, 4))])
def test_too_few_images_or_all_alike_say_nothing(means):
    assert SeenImages.of(means) is None


def test_a_channel_that_never_changed_does_not_make_all_images_unlike():
    means = np.random.default_rng(1).normal(1.0, 0.3, (60, 8))
    means[:, 0] = 0.0
    seen = SeenImages.of(means)
    assert seen is not None and seen.unlike(means[5] + np.eye(8)[0] * 1e-4) < 1.5


@pytest.fixture(scope="module")
def trained(many_rooms, tiny, tmp_path_factory):
    run = tmp_path_factory.mktemp("seen") / "run"
    distill(data=many_rooms, distill=False, output=run, max_steps=2, **tiny)
    return run


@pytest.fixture(scope="module")
def many_rooms(rooms, tmp_path_factory):
    """The twenty rooms, with val images among the training images: enough to say what is usual."""
    folder = tmp_path_factory.mktemp("many")
    lines = [(rooms.parent / f"{split}.txt").read_text() for split in ("train", "val")]
    (folder / "train.txt").write_text("".join(lines))
    (folder / "val.txt").write_text(lines[1])
    text = rooms.read_text().replace("path: .", f"path: {rooms.parent}")
    for split in ("train", "val"):
        text = text.replace(f"{split}: {split}.txt", f"{split}: {folder / split}.txt")
    (folder / "data.yaml").write_text(text)
    return folder / "data.yaml"


def test_a_finished_student_knows_its_training_images(trained, many_rooms, rooms):
    seen = read_metadata(trained / "student.safetensors").seen
    student = load_student(trained)
    assert seen == student.seen and len(seen.mean) == student.encoder.spec.channels[1]
    predictor = student.predictor("cpu")
    far = [predictor.predict_depth(image).unlike for image in sorted((rooms.parent / "rgb").glob("*"))[:10]]
    assert np.median(far) < 1 < student.predict(NOISE).unlike


def test_predict_names_what_is_unlike(cli, trained, rooms, tmp_path):
    cv2.imwrite(str(tmp_path / "noise.png"), NOISE)
    room = min((rooms.parent / "rgb").glob("*"))
    given = ("predict", room, tmp_path / "noise.png", "-m", trained, "-o", tmp_path / "out", "--backend", "torch")
    told = cli(*given, "--json")
    known, strange = (one["unlike_training"] for one in told.json["results"])
    assert known < 1.5 and strange > 1
    assert "unlike the student's training images, so the depth may be wrong" in told.err and "noise.png" in told.err


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    return export(trained, source="64x96", output=tmp_path_factory.mktemp("exported")).file


@pytest.mark.parametrize("backend", ["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def test_an_exported_file_tells_the_same(backend, exported, trained, rooms):
    pytest.importorskip(backend.replace("onnx", "onnxruntime"))
    agrees(open_exported(str(exported), backend), trained, rooms)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"precision": "fp16"}, {"format": "openvino"}, {"dynamic": "batch"}])
def test_other_exports_tell_the_same(options, trained, rooms, tmp_path):
    pytest.importorskip("openvino" if "format" in options else "onnxruntime")
    exported = open_exported(export(trained, source="64x96", output=tmp_path, **options).file)
    agrees(exported, trained, rooms, 0.02 if "precision" in options else 1e-4)
    if "dynamic" in options:
        exported.session.run(np.stack([SMALL, SMALL // 2]))
        two = exported.session.unlike
        assert two == pytest.approx([exported.predict_depth(one).unlike for one in (SMALL, SMALL // 2)], rel=1e-4)


def test_threads_do_not_take_the_sign_of_each_others_images(exported):
    predictor = open_exported(str(exported), threads=1)
    run = predictor.session.run

    def slow(image):
        depth = run(image)
        time.sleep(0.02)  # long enough for the other thread to run its image
        return depth

    images = [SMALL, np.full_like(SMALL, 200)]
    wanted = [predictor.predict_depth(image).unlike for image in images]
    predictor.session.run = slow
    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(lambda index: predictor.predict_depth(images[index % 2]).unlike, range(8)))
    assert wanted[0] != wanted[1] and told == pytest.approx(wanted * 4)


def agrees(exported, trained, rooms, rel=1e-4):
    student = load_student(trained)
    for image in (SMALL, as_rgb(min((rooms.parent / "rgb").glob("*")))):
        assert exported.predict_depth(image).unlike == pytest.approx(student.predict(image).unlike, rel=rel)


@pytest.mark.slow
def test_predict_names_it_in_the_fastest_runtime(cli, trained, rooms, tmp_path):
    pytest.importorskip("onnxruntime")
    cv2.imwrite(str(tmp_path / "noise.png"), NOISE)
    given = ("predict", tmp_path / "noise.png", "-m", trained, "-o", tmp_path / "out", "--backend", "onnx")
    told = cli(*given, "--json")
    assert told.json["results"][0]["unlike_training"] > 1 and "unlike the student's training images" in told.err


def test_a_wrong_sign_is_refused(exported, trained):
    session = open_session("onnx", Path(exported))
    right = session.run
    about = exported_about(str(exported))[1]

    def wrong(image):
        depth = right(image)
        session.unlike = tuple(2 * one for one in session.unlike)
        return depth

    reference = load_student(trained).predictor("cpu")
    assert compare(ExportedPredictor(session, about, "file"), reference, [SMALL], about).holds
    session.run = wrong
    assert not compare(ExportedPredictor(session, about, "file"), reference, [SMALL], about).holds


@pytest.mark.slow
def test_int8_and_other_formats_cannot_tell(trained, rooms, tmp_path):
    pytest.importorskip("onnxruntime")
    given = {"precision": "int8", "calibration": rooms, "check": False}
    for number, options in enumerate((given, {"format": "torch"})):
        exported = export(trained, source="96x128", output=tmp_path / str(number), **options).file
        assert open_exported(str(exported)).predict_depth(NOISE).unlike is None


def test_several_images_keep_each_its_own(exported):
    predictor, images = open_exported(str(exported)), [SMALL, SMALL // 2]
    each = [predictor.predict_depth(image).unlike for image in images]
    assert each[0] != each[1] and [one.unlike for one in predictor.predict_several(images)] == each


def test_a_header_of_other_channels_is_refused(trained, tmp_path):
    student, metadata = load_student(trained), read_metadata(trained / "student.safetensors")
    wrong = metadata.seen.model_copy(update={"mean": metadata.seen.mean[1:]})
    save_checkpoint(tmp_path / "s.safetensors", student.state_dict(), metadata.model_copy(update={"seen": wrong}))
    with pytest.raises(CheckpointError, match="its header is damaged .*seen is of another number of channels"):
        load_student(tmp_path / "s.safetensors")
    json.dumps(metadata.model_dump(mode="json"), allow_nan=False)
