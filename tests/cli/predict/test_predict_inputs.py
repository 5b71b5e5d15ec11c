"""What predict takes for images: never its own results, nor what a Mac leaves behind; and very large photographs."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from disdepth_cli.data.files import image_decoders
from disdepth_cli.errors import DataError
from disdepth_cli.inputs.find import find_images


@pytest.fixture
def folder(photo, tmp_path):
    place = tmp_path / "in"
    place.mkdir()
    for name in ("a.png", "b_depth.png", "c_color.png", "._a.png", ".hidden.jpg"):
        shutil.copy(photo, place / name)
    (place / "notes.txt").write_text("")
    return place


def names(files):
    return [getattr(file, "file", file).name for file in files]


def test_a_folder_of_results_is_read_again_without_them(cli, student, folder):
    wanted = ["a.png", "b_depth.png", "c_color.png"]  # people call theirs so too
    for _ in range(2):
        assert names(find_images([str(folder)])) == names(find_images([str(folder / "*.png")])) == wanted
        outcome = cli("predict", folder, "-c", student, "-o", folder, "--device", "cpu", "--json")
        assert (
            outcome.code == 0 and names(map(type(folder), (one["image"] for one in outcome.json["results"]))) == wanted
        )
    assert names(find_images([str(folder / "a_depth.png")])) == ["a_depth.png"]  # who names one wants it


def test_a_folder_of_results_alone_holds_no_images(cli, student, photo, tmp_path, refused):
    out = tmp_path / "out"
    assert cli("predict", photo, "-c", student, "-o", out, "--device", "cpu").code == 0
    refused(1, (out, "a folder without images"), "predict", out, "-c", student)


@pytest.mark.parametrize("source", ["x" * 5000, "a\0b", "~no-such-user-here/x.png", "*" * 300, "folder/" * 900])
def test_odd_places_are_one_line(source):
    with pytest.raises(DataError) as error:
        find_images([source])
    assert "\n" not in str(error.value)


def test_a_very_large_photograph_is_looked_at_smaller_and_told_of(cli, student, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(image_decoders, "LARGE", 64 * 96 - 1)
    monkeypatch.setattr("disdepth_cli.data.files.images.LARGE", 64 * 96 - 1)
    outcome = cli("predict", photo, "-c", student, "-o", tmp_path / "out", "--device", "cpu")
    assert outcome.code == 0
    assert f"warning: {photo}: is 64x96 pixels, so large that its depth is made, and written, at 32x48" in outcome.err
    assert cv2.imread(str(tmp_path / "out" / f"{photo.stem}_depth.png"), cv2.IMREAD_UNCHANGED).shape == (32, 48)


@pytest.mark.slow
def test_two_hundred_megapixels(cli, student, tmp_path):
    """As phones take them. The picture is flat, so that the file is small and its coding quick."""
    Image.fromarray(np.full((4, 4, 3), 90, np.uint8)).resize((16320, 12240)).save(tmp_path / "large.jpg")
    outcome = cli("predict", tmp_path / "large.jpg", "-c", student, "-o", tmp_path / "out", "--device", "cpu", "--json")
    assert outcome.code == 0 and "3060x4080" in outcome.err
