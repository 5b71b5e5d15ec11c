"""predict: metres as 16-bit PNG that say their scale, pictures, and names that never collide."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from disdepth_cli import Depth


@pytest.fixture
def predicted(cli, student, tmp_path):
    """`predicted(*args)` -> Outcome and the folder with the results."""

    def run(*args, code=0):
        outcome = cli("predict", *args, "-c", student, "-o", tmp_path / "out", "--device", "cpu")
        assert outcome.code == code, outcome.err
        return outcome, tmp_path / "out"

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_image_gives_metres_a_picture_and_a_line(predicted, photo, rooms):
    outcome, out = predicted(photo, "--save-numpy")
    stem = photo.stem
    assert names(out) == [f"{stem}_color.png", f"{stem}_depth.npy", f"{stem}_depth.png"]
    with Image.open(out / f"{stem}_depth.png") as png:
        assert png.mode.startswith("I") and png.size == (96, 64) and np.asarray(png).dtype == np.uint16
        assert png.text["disdepth:scale"] == "1000" and "metres" in png.text["disdepth:unit"]
    metres = np.load(out / f"{stem}_depth.npy")
    stored, exact = (Depth.load(out / f"{stem}_depth.{suffix}") for suffix in ("png", "npy"))
    assert metres.dtype == np.float32 and metres.shape == (64, 96) and np.array_equal(exact.values, metres)
    assert stored.unit == exact.unit == "metres" and stored.max_depth == exact.max_depth == 10.0
    assert metres.min() > 0 and np.abs(metres - stored.values).max() <= 0.0005 + 1e-6
    assert cv2.imread(str(out / f"{stem}_color.png")).shape == (64 + 4 + 20, 96 + 8 + 96, 3)  # the bar is below
    (line,) = outcome.out.splitlines()
    assert str(photo) in line and "stored / 1000 = metres" in line and f"{stem}_depth.npy" in line
    assert f"{metres.min():.2f} to {metres.max():.2f} m" in line


def test_pictures_alone_grey_and_in_other_colours(predicted, photo):
    _, out = predicted(photo, "--pred-only")
    file = out / f"{photo.stem}_color.png"
    coloured = cv2.imread(str(file))
    assert coloured.shape == (64, 96, 3) and np.ptp(coloured.astype(int), axis=2).max() > 50
    predicted(photo, "--pred-only", "--colormap", "magma")
    assert (cv2.imread(str(file)) != coloured).any()
    predicted(photo, "--pred-only", "--grayscale")
    assert np.ptp(cv2.imread(str(file)), axis=2).max() == 0


def test_folders_patterns_and_equal_stems(predicted, photo, tmp_path):
    folder = tmp_path / "in [1]"
    folder.mkdir()
    image = cv2.imread(str(photo))
    for name in ("a.jpg", "a.png", "b.png", "notes.txt"):
        if name.endswith("txt"):
            (folder / name).write_text("no image")
        else:
            cv2.imwrite(str(folder / name), image)
    outcome, out = predicted(folder, folder / "b.png", "--json")  # b is named twice, and done once
    assert [one["image"] for one in outcome.json["results"]] == [str(folder / n) for n in ("a.jpg", "a.png", "b.png")]
    assert names(out) == sorted(f"{stem}_{kind}.png" for stem in ("a_jpg", "a_png", "b") for kind in ("depth", "color"))
    assert outcome.err == ""
    other = tmp_path / "plain"
    other.mkdir()
    for stem in ("x1", "x2", "y"):
        cv2.imwrite(str(other / f"{stem}.png"), image)
    outcome, _ = predicted(f"{other}/x*.png", "--json")
    assert [one["image"] for one in outcome.json["results"]] == [f"{other}/x1.png", f"{other}/x2.png"]


@pytest.mark.parametrize("size", [(40, 200), (131, 77), (480, 640)])
def test_depth_has_the_size_of_its_image(size, predicted, photo, tmp_path):
    file = tmp_path / "view.png"
    cv2.imwrite(str(file), cv2.resize(cv2.imread(str(photo)), size[::-1]))
    _, out = predicted(file, "--save-numpy")
    assert np.load(out / "view_depth.npy").shape == size
    assert Depth.load(out / "view_depth.png").values.shape == size


def test_the_orientation_a_camera_wrote_is_applied(predicted, photo, tmp_path):
    upright, turned = tmp_path / "upright.png", tmp_path / "turned.jpg"
    with Image.open(photo) as image:
        exif = image.getexif()
        exif[0x0112] = 6  # to be shown turned by 90 degrees
        image.save(turned, exif=exif, quality=95)
        image.transpose(Image.Transpose.ROTATE_270).save(upright)
    _, out = predicted(upright, turned, "--save-numpy")
    depths = [np.load(out / f"{stem}_depth.npy") for stem in ("upright", "turned")]
    assert depths[0].shape == depths[1].shape == (96, 64)
    assert np.abs(depths[0] - depths[1]).mean() < 0.1 * depths[0].mean()


def test_an_unreadable_image_is_named_and_the_others_are_done(predicted, photo, tmp_path):
    broken = tmp_path / "broken [x].png"
    broken.write_bytes(b"this is no image")
    outcome, out = predicted(broken, photo, code=1)
    assert f"{broken}: is not a readable image" in " ".join(outcome.err.split())
    assert f"warning: {broken}" in outcome.err
    assert names(out) == [f"{photo.stem}_color.png", f"{photo.stem}_depth.png"]
    outcome, _ = predicted(broken, photo, "--json", code=1)
    assert len(outcome.json["errors"]) == outcome.json["images"] == 1


def test_bad_input_is_refused(refused, student, photo, tmp_path):
    broken, out = tmp_path / "broken.png", tmp_path / "out"
    broken.write_bytes(b"this is no image")
    given = ("-c", student, "-o", out, "--device", "cpu")
    refused(1, ("not one image", broken), "predict", broken, *given)
    refused(1, ("nothing.png", "no such image"), "predict", tmp_path / "nothing.png", *given)
    (tmp_path / "empty").mkdir()
    refused(1, (tmp_path / "empty", "without images"), "predict", tmp_path / "empty", *given)
    refused(2, ("--colormap spectrl", "Spectral"), "predict", photo, *given, "--colormap", "spectrl")
    refused(1, (broken, "cannot be written"), "predict", photo, "-c", student, "-o", broken)
    refused(1, (broken / "sub", "cannot be written"), "predict", photo, "-c", student, "-o", broken / "sub")


def test_the_bundled_student_is_used_or_missed_by_name(cli, photo, tmp_path):
    from disdepth_cli.checkpoint.locate import BUNDLED

    outcome = cli("predict", photo, "-o", tmp_path, "--device", "cpu")
    if BUNDLED.is_file():
        assert outcome.code == 0 and (tmp_path / f"{photo.stem}_depth.png").is_file()
    else:
        assert outcome.code == 2 and "no bundled student; give --model FILE" in outcome.err


def test_a_teacher_or_an_acclimated_run_may_be_the_model(cli, tiny_teacher, acclimated, photo, tmp_path):
    from disdepth_cli.scoring.open_model import open_model

    for name, model in (("teacher", tiny_teacher), ("acclimated", acclimated)):
        options = ("--model", model, "-o", tmp_path / name, "--save-numpy", "--device", "cpu", "--json")
        outcome = cli("predict", photo, *options)
        assert outcome.code == 0, outcome.err
        assert outcome.json["checkpoint"] == str(model) and outcome.json["unit"] == "metres = stored / scale"
        metres = np.load(outcome.json["results"][0]["numpy"])
        assert np.array_equal(open_model(str(model), "cpu").predict_depth(photo).values, metres)  # as evaluate has it
        assert Depth.load(outcome.json["results"][0]["depth"]).unit == "metres"


def test_a_relative_teacher_says_what_its_numbers_are(cli, tiny_relative_teacher, photo, tmp_path):
    out, model = tmp_path / "out", ("--model", tiny_relative_teacher, "--device", "cpu", "-o", tmp_path / "out")
    outcome = cli("predict", photo, *model, "--save-numpy", "--json")
    assert outcome.code == 0 and "metre" not in outcome.out
    (one,) = outcome.json["results"]
    assert outcome.json["kind"] == "disparity" and outcome.json["unit"] == "relative disparity, no unit"
    assert names(out) == [f"{photo.stem}_{end}" for end in ("color.png", "disparity.npy", "disparity.png")]
    numbers, stored = np.load(one["numpy"]), cv2.imread(one["disparity"], cv2.IMREAD_UNCHANGED)
    assert stored.min() == 1 and stored.max() == 65535 and np.ptp(numbers) > 0
    assert np.abs(stored / one["scale"] + one["offset"] - numbers).max() <= 0.5 / one["scale"] + 1e-6
    read = Depth.load(one["disparity"])
    assert (read.kind, read.unit, read.max_depth) == ("disparity", "none", None)
    assert np.abs(read.values - numbers).max() <= 0.5 / one["scale"] + 1e-6
    assert [one["min"], one["max"]] == [round(float(numbers.min()), 3), round(float(numbers.max()), 3)]
    line = cli("predict", photo, *model).out
    assert "= relative disparity, larger is nearer, no unit)" in line and "metre" not in line


def test_a_model_that_gives_no_depth_is_refused(refused, photo, control, tmp_path):
    out = ("-o", tmp_path / "out", "--device", "cpu")
    refused(1, ("nothing", "no file, folder, Hub id"), "predict", photo, "--model", "nothing", *out)
    refused(1, ("a finished model",), "predict", photo, "--model", _unfinished(control, tmp_path), *out)
    assert not (tmp_path / "out").exists()


def _unfinished(run, tmp_path):
    folder = tmp_path / "unfinished"
    folder.mkdir()
    (folder / "config.yaml").write_bytes((run / "config.yaml").read_bytes())
    return folder


def test_the_old_name_of_the_model_is_taken(cli, student, photo, tmp_path):
    (tmp_path / "options.yaml").write_text(f"checkpoint: {student}\n")
    written = []
    common = ("predict", photo, "--device", "cpu", "--save-numpy", "--json")
    ways = (("--model", student), ("--checkpoint", student), ("--config", tmp_path / "options.yaml"))
    for number, given in enumerate(ways):
        outcome = cli(*common, *given, "-o", tmp_path / str(number))
        assert outcome.code == 0 and outcome.json["checkpoint"] == str(student), outcome.err
        written.append(np.load(outcome.json["results"][0]["numpy"]))
    assert np.array_equal(written[0], written[1]) and np.array_equal(written[0], written[2])
