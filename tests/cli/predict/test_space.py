"""predict --save ply,glb: the points of the depth beside it, with the camera that is known, or assumed and said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from disdepth_cli import Depth, predict
from disdepth_cli.data.files import image_decoders
from disdepth_cli.data.files.images import read_image


def cloud(path):
    body = path.read_bytes().split(b"end_header\n", 1)[1]
    return np.frombuffer(body, dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])


@pytest.fixture
def predicted(cli, student, tmp_path):
    """`predicted(image, *options)` -> stderr, and the object of the image."""

    def run(image, *options):
        outcome = cli("predict", image, "-c", student, "-o", tmp_path / "out", "--device", "cpu", "--json", *options)
        assert outcome.code == 0, outcome.err
        return outcome.err, outcome.json["results"][0]

    return run


def test_points_of_a_field_of_view(predicted, photo, tmp_path):
    err, one = predicted(photo, "--save", "ply,glb,npy", "--fov", "70")
    assert err == "" and one["camera"]["fx"] == pytest.approx(48 / np.tan(np.radians(35)))
    points = Depth.load(one["numpy"]).points(read_image(photo), fov=70)
    rows = cloud(tmp_path / "out" / f"{photo.stem}_depth.ply")
    assert np.array_equal(rows["xyz"], points.xyz) and np.array_equal(rows["rgb"], points.rgb)
    points.save(tmp_path / "same.glb")
    assert (tmp_path / "same.glb").read_bytes() == (tmp_path / "out" / f"{photo.stem}_depth.glb").read_bytes()


def test_cameras_of_options_photographs_and_none(predicted, photo, tmp_path):
    with Image.open(photo) as image:
        exif = image.getexif()
        exif.get_ifd(0x8769)[0xA405] = 28
        image.save(tmp_path / "phone.jpg", exif=exif)
    err, one = predicted(tmp_path / "phone.jpg", "--save", "ply")
    assert err == "" and one["camera"]["source"] == "EXIF: 28 mm in 35 mm film"
    assert one["camera"]["fx"] == pytest.approx(28 / np.hypot(36, 24) * np.hypot(64, 96))
    (tmp_path / "camera.json").write_text(json.dumps({"fx": 90, "fy": 91, "cx": 47, "cy": 30}))
    _, one = predicted(tmp_path / "phone.jpg", "--save", "ply", "--intrinsics", tmp_path / "camera.json")
    assert [one["camera"][name] for name in ("fx", "fy", "cx", "cy")] == [90, 91, 47, 30]
    _, one = predicted(tmp_path / "phone.jpg", "--save", "ply", "--focal", "123")
    assert one["camera"]["fx"] == 123
    err, one = predicted(photo, "--save", "glb")
    assert one["camera"]["fx"] == pytest.approx(48 / np.tan(np.radians(30)))
    assert err.splitlines() == [
        "warning: the camera of 1 of 1 is not known: their points assume 60 degrees across the longer side; "
        "give --fov, --focal or --intrinsics"
    ]


def test_a_photograph_that_is_looked_at_smaller_has_its_own_camera(predicted, photo, monkeypatch):
    monkeypatch.setattr(image_decoders, "LARGE", 64 * 96 - 1)
    monkeypatch.setattr("disdepth_cli.data.files.images.LARGE", 64 * 96 - 1)
    _, one = predicted(photo, "--save", "ply", "--focal", "100")
    assert [one["camera"][name] for name in ("fx", "cx", "cy")] == [50, 23.5, 15.5]


def test_python_gives_the_files(photo, student, tmp_path):
    result = predict(photo, model=student, output=tmp_path, save=["glb", "npz"], fov=60, device="cpu")
    files = result.results[0].written.files
    assert files["glb"].stat().st_size > 1000 and Depth.load(files["npz"]).unit == "metres"
    assert np.array_equal(result.depth.values, Depth.load(files["npz"]).values)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--fov", "60"), 2, ("--fov", "add --save ply")),
        (("--save", "ply", "--fov", "60", "--focal", "5"), 2, ("give one of them",)),
        (("--save", "ply", "--fov", "180"), 2, ("--fov",)),
        (("--save", "obj"), 2, ("--save", "ply")),
        (("--save", "ply", "--intrinsics", "no.json"), 2, ("--intrinsics no.json: does not exist",)),
        (("--smooth",), 2, ("--smooth", "only images")),
    ],
)
def test_what_cannot_be_is_one_line(options, code, words, refused, photo, student):
    refused(code, words, "predict", photo, "-c", student, *options)


def test_a_camera_of_other_images_is_one_line(refused, photo, student, tmp_path):
    (tmp_path / "camera.txt").write_text("500 0 320\n0 500 240\n0 0 1\n")
    given = ("--save", "ply", "--intrinsics", tmp_path / "camera.txt", "-o", tmp_path / "out")
    refused(1, ("camera.txt", "lies outside an image of 64x96"), "predict", photo, "-c", student, *given)
    assert not list((tmp_path / "out").iterdir())


def test_relative_depth_has_no_points(refused, photo, tiny_relative_teacher, tmp_path):
    given = ("predict", photo, "-m", tiny_relative_teacher, "-o", tmp_path / "out", "--device", "cpu", "--save", "ply")
    refused(2, ("--save ply", "points need metres", "disparity"), *given)
    assert not (tmp_path / "out").exists()
