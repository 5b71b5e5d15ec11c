"""disdepth check: whatever is wrong with a data set is named, file by file, before time is spent on it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli.inspection.split_counts import NEAR, SplitCounts, shared_images


@pytest.fixture
def scene(tmp_path: Path):
    """`scene(split, count, ...)` writes a data set of pictures that all differ; returns its data.yaml."""

    def write(root: str = "data", counts: tuple[int, int] = (6, 3), metres: float = 3.0, scale: float = 1000, **keys):
        folder = tmp_path / root
        for name in ("rgb", "depth"):
            (folder / name).mkdir(parents=True)
        rng = np.random.default_rng(0)
        number = 0
        for split, count in zip(("train", "val"), counts, strict=True):
            rows = []
            for _ in range(count):
                image = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (64, 48), interpolation=cv2.INTER_CUBIC)
                depth = metres * rng.uniform(0.8, 1.25, (48, 64)) * scale
                cv2.imwrite(str(folder / f"rgb/{number:03d}.png"), image)
                cv2.imwrite(str(folder / f"depth/{number:03d}.png"), depth.astype(np.uint16))
                rows.append(f"rgb/{number:03d}.png depth/{number:03d}.png 500")
                number += 1
            (folder / f"{split}.txt").write_text("\n".join(rows) + "\n")
        described = {"train": "train.txt", "val": "val.txt", **keys}
        file = folder / "data.yaml"
        file.write_text(json.dumps(described))
        return file

    return write


@pytest.fixture
def checked(cli, tmp_path: Path):
    """`checked(code, data)`: the JSON of a check that ended with that code."""

    def run(code: int, data: Path, *args: object) -> dict:
        outcome = cli("check", data, "--json", "-o", tmp_path / "checks", *args)
        assert outcome.code == code, outcome
        return outcome.json

    return run


def test_a_sound_data_set_passes(scene, checked, tmp_path: Path) -> None:
    result = checked(0, scene())
    assert result["ok"] and not result["errors"] and not result["problems"] and not result["warnings"]
    train, val = result["splits"]["train"], result["splits"]["val"]
    assert (train["listed"], train["pairs"], val["listed"], val["pairs"]) == (6, 6, 3, 3)
    assert train["image_sizes"] == {"48x64": 6} and train["image_kinds"] == {"uint8 x 3": 6}
    assert train["depth_kinds"] == {"uint16 x 1": 6} and train["valid_share"] == 1
    depth = result["depth"]
    assert depth["median"] == pytest.approx(3.0, rel=0.08)
    assert 2.39 < depth["min"] < depth["p01"] * 1.06 and depth["p99"] < depth["max"] * 1.06 < 4.0
    assert sum(depth["histogram"]["counts"]) == 9 * 48 * 64
    picture = cv2.imread(result["picture"])
    assert Path(result["picture"]).parent == tmp_path / "checks" and picture.std() > 10


def test_the_terminal_shows_counts_and_a_histogram(scene, cli, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli("check", scene(), "--no-picture")
    assert outcome.code == 0
    assert "2.51 to 3.16 m" in outcome.out and "█" in outcome.out
    assert "uint16 x 1 (6)" in outcome.out and "data: no errors, no warnings" in outcome.out
    assert not (tmp_path / "checks").exists()


def test_every_offending_file_is_named(scene, checked) -> None:
    file = scene()
    root = file.parent
    (root / "rgb/001.png").write_bytes((root / "rgb/001.png").read_bytes()[:200])  # truncated
    (root / "depth/002.png").write_bytes(b"")  # empty
    cv2.imwrite(str(root / "depth/003.png"), np.full((48, 90), 3000, np.uint16))  # another view
    cv2.imwrite(str(root / "depth/004.png"), np.full((48, 64, 3), 99, np.uint8))  # a coloured picture
    cv2.imwrite(str(root / "depth/007.png"), np.zeros((48, 64), np.uint16))  # nothing to be scored against
    with open(root / "train.txt", "a") as rows:
        rows.write("rgb/gone.png depth/000.png 500\nrgb/000.png depth/lost.png 500\nrgb/000.png None 500\n")
    result = checked(1, file)
    named = {(one["split"], Path(one["file"]).name): one["problem"] for one in result["problems"]}
    assert set(named) == {
        ("train", "train.txt:7"), ("train", "train.txt:8"), ("train", "001.png"), ("train", "002.png"),
        ("train", "003.png"), ("train", "004.png"), ("val", "007.png"),
    }  # fmt: skip
    assert "gone.png does not exist" in named["train", "train.txt:7"]
    assert "lost.png does not exist" in named["train", "train.txt:8"]
    assert "truncated" in named["train", "001.png"] and "is empty" in named["train", "002.png"]
    assert "aspect" in named["train", "003.png"] and "one channel" in named["train", "004.png"]
    train = result["splits"]["train"]
    assert (train["listed"], train["pairs"], train["missing"], train["skipped"], train["unreadable"]) == (6, 2, 2, 1, 4)
    assert len(result["errors"]) == 3
    assert any("left out" in warning and "None" in warning for warning in result["warnings"])


def test_a_leading_slash_is_told_of(scene, checked) -> None:
    file = scene()
    listed = file.parent / "train.txt"
    listed.write_text("".join(f"/{row}\n" for row in listed.read_text().splitlines()))
    result = checked(0, file)
    assert any(warning.startswith("6 list entries begin with a slash") for warning in result["warnings"])
    assert result["splits"]["train"]["pairs"] == 6


def test_an_image_in_both_splits_is_an_error_and_a_look_alike_a_warning(scene, checked) -> None:
    file = scene()
    rgb = file.parent / "rgb"
    (rgb / "006.png").write_bytes((rgb / "002.png").read_bytes())
    cv2.imwrite(str(rgb / "007.jpg"), cv2.imread(str(rgb / "003.png")), [cv2.IMWRITE_JPEG_QUALITY, 90])
    listed = file.parent / "val.txt"
    listed.write_text(listed.read_text().replace("rgb/007.png", "rgb/007.jpg"))
    result = checked(1, file)
    assert result["duplicates"]["equal"] == [["rgb/002.png", "rgb/006.png"]]
    assert result["duplicates"]["similar"] == [["rgb/003.png", "rgb/007.jpg"]]
    assert [one["file"] for one in result["problems"]] == ["rgb/006.png"]
    assert any("look like one in train" in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    ("metres", "stored", "told", "words"),
    [
        (3.0, 1000, 1, ("the median depth would be 3", "1000 (NYU, ScanNet, millimetres) gives 3")),
        (20.0, 256, 1, ("the median depth would be 5", "256 (KITTI) gives 2")),
    ],
)
def test_a_wrong_scale_is_an_error_with_a_guess(scene, checked, metres, stored, told, words) -> None:
    result = checked(1, scene(metres=metres, scale=stored, depth_scale=told))
    (error,) = [one for one in result["errors"] if "depth_scale" in one]
    assert all(word in error for word in words), error
    guesses = {one["depth_scale"]: one for one in result["scale"]["candidates"]}
    assert guesses[stored]["plausible"] and guesses[stored]["median"] == pytest.approx(metres, rel=0.08)


def test_depth_beyond_the_range_is_told_of(scene, checked) -> None:
    result = checked(0, scene(metres=9.0, counts=(6, 3)))
    (warning,) = result["warnings"]
    assert "of the depth lies outside 0.001 m to 10 m" in warning
    assert 0.4 < result["splits"]["train"]["in_range_share"] < 0.8


def test_sparse_depth_at_a_room_scale_may_be_kitti(scene, checked) -> None:
    file = scene(metres=12.0, scale=256, max_depth=80.0, depth_scale=1000)
    rng = np.random.default_rng(1)
    for depth in (file.parent / "depth").iterdir():
        stored = cv2.imread(str(depth), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(depth), np.where(rng.random(stored.shape) < 0.2, stored, 0).astype(np.uint16))
    result = checked(0, file)
    assert any("as with lidar" in warning and "256 gives" in warning for warning in result["warnings"])
    assert result["splits"]["val"]["valid_share"] == pytest.approx(0.2, abs=0.02)


def test_marks_and_pictures_in_the_place_of_depth(scene, checked) -> None:
    file = scene()
    depth = file.parent / "depth"
    for name in ("000", "001"):
        stored = cv2.imread(str(depth / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        stored[:, :20] = 65535
        cv2.imwrite(str(depth / f"{name}.png"), stored)
    cv2.imwrite(str(depth / "002.png"), np.full((48, 64), 200, np.uint8))
    warnings = " ".join(checked(0, file)["warnings"])
    assert "largest 16-bit value" in warnings and "1 depth maps have 8 bits" in warnings
    assert "stored in several ways" in warnings


def test_images_without_depth_and_a_number_that_is_not_the_protocols(scene, checked) -> None:
    result = checked(0, scene(protocol="nyu-eigen"))
    assert result["warnings"] == ["nyu-eigen has 654 images, val has 3: its figures are not the benchmark's"]
    photos = checked(0, scene("other").parent / "rgb")
    assert any("no image has depth" in warning for warning in photos["warnings"])
    assert photos["splits"]["train"]["unlabelled"] == 8 and photos["depth"] is None and photos["picture"] is None


def test_a_sample_reads_the_lists_in_full(scene, checked) -> None:
    file = scene(counts=(30, 10))
    (file.parent / "rgb/000.png").write_bytes(b"x")
    with open(file.parent / "val.txt", "a") as rows:
        rows.write("rgb/gone.png depth/000.png 500\n")
    result = checked(1, file, "--sample", 5)
    assert result["splits"]["train"]["looked_at"] == result["splits"]["val"]["looked_at"] == 5
    assert result["splits"]["train"]["listed"] == 30 and result["splits"]["val"]["missing"] == 1


def test_an_image_that_pillow_takes_for_a_bomb(scene, checked, monkeypatch) -> None:
    """Sizes are looked at here; Pillow, which reads headers alone, is not asked for its opinion of them."""
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 48 * 64 // 3)
    result = checked(0, scene())
    assert result["splits"]["train"]["pairs"] == 6 and result["splits"]["train"]["image_kinds"] == {"uint8 x 3": 6}


def test_depth_maps_in_the_place_of_images_are_an_error(scene, checked) -> None:
    result = checked(1, scene().parent / "depth")
    assert [line.partition(":")[0] for line in result["errors"]] == ["train", "val"]
    assert all("16-bit grey, as depth maps are" in line for line in result["errors"])


def test_pictures_are_named_after_their_description(scene, checked) -> None:
    file = scene()
    other = file.with_name("night.yaml")
    other.write_text(file.read_text())
    names = [Path(checked(0, one)["picture"]).name for one in (file, other)]
    assert names == ["data-depth.png", "data-night-depth.png"]


def test_a_picture_that_cannot_be_written_is_refused_before_the_work(scene, refused, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("disdepth_cli.engine.check.inspect", None)
    refused(1, ("cannot be written",), "check", scene(), "-o", tmp_path / "file" / "x")


def test_look_alikes_are_those_that_comparing_all_with_all_finds() -> None:
    rng = np.random.default_rng(4)
    train = rng.integers(0, 256, (300, 32), dtype=np.uint8)
    val = train[:40].copy()
    for number, look in enumerate(val):  # 0, 1, 2, ... bits differ
        for place in rng.choice(256, number, replace=False):
            look[place // 8] ^= np.uint8(1 << (place % 8))
    counts_by_split = []
    for split, looks in (("train", train), ("val", val)):
        counts = SplitCounts(split, len(looks))
        counts.gradient_hashes = [(str(number), look.tobytes()) for number, look in enumerate(looks)]
        counts_by_split.append(counts)
    assert shared_images(*counts_by_split) == ([], [(str(number), str(number)) for number in range(NEAR + 1)])


def test_a_wrong_protocol_in_data_yaml_is_the_files(scene, cli, refused) -> None:
    file = scene(protocol="nyu-eigne")
    refused(2, ("protocol: nyu-eigne", "nyu-eigen"), "evaluate", "bundled", "--data", file)
    assert "there is no such protocol" in cli("check", file, "--no-picture").err


def test_a_check_does_not_wait_for_torch(scene) -> None:
    look = "import sys; from disdepth_cli import check; check(data=sys.argv[1], picture=False)"
    look += "; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", look, str(scene())], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_what_cannot_be_opened_is_one_line(refused, tmp_path: Path) -> None:
    refused(1, ("does not exist",), "check", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    refused(1, ("no images",), "check", tmp_path / "empty")
