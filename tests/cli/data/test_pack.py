"""disdepth pack: what it writes, what it refuses, and that a stop loses nothing."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source

METRICS = ("images", "abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    """Counts and downloads stay in the test's folder."""
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def float_rooms(folder: Path, depth: np.ndarray, count: int = 4) -> Path:
    """Grey images with one float depth map [m]."""
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / "rgb" / f"a.{number}.bmp"), np.full((40, 60, 3), 10 * number, np.uint8))
        np.save(folder / "depth" / f"a.{number}.npy", depth)
    (folder / "data.yaml").write_text("depth_scale: 1\nmax_depth: 80\n")
    return folder


def test_shards_and_their_index(cli, rooms, tmp_path) -> None:
    outcome = cli("pack", rooms, "-o", tmp_path / "out", "--shard-count", 7, "--workers", 0, "--json")
    assert outcome.code == 0, outcome.err
    assert (outcome.json["train"]["images"], outcome.json["val"]["images"]) == (17, 3)
    assert (outcome.json["train"]["shards"], outcome.json["val"]["shards"], outcome.json["skipped"]) == (3, 1, [])
    assert outcome.json["depth"] == {"format": "png", "scale": 1000}
    files = digests(tmp_path / "out")
    assert list(files) == ["index.json", *(f"train-{n:06d}.tar" for n in range(3)), "val-000000.tar"]
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    for shard in index["shardlist"] + index["val_shardlist"]:
        assert shard["sha256"] == files[shard["url"]]
        assert shard["filesize"] == (tmp_path / "out" / shard["url"]).stat().st_size
    with tarfile.open(tmp_path / "out" / "val-000000.tar") as tar:
        for member in tar:
            assert (member.mtime, member.uid, member.uname) == (0, 0, "")
            kind = "depth" if ".depth." in member.name else "rgb"
            original = rooms.parent / kind / (Path(member.name).name.split(".")[0] + ".png")
            assert tar.extractfile(member).read() == original.read_bytes()  # type: ignore[union-attr]
    for workers in (2, 1):
        again = cli("pack", rooms, "-o", tmp_path / f"again{workers}", "--shard-count", 7, "--workers", workers)
        assert again.code == 0 and digests(tmp_path / f"again{workers}") == files
    assert "train: 17 images (17 with depth) in 3 shards" in again.out and "stored / 1000 = metres" in again.out


@pytest.mark.slow
def test_evaluate_and_distill_take_shards(cli, rooms, short, student, tiny_teacher, tmp_path) -> None:
    assert cli("pack", rooms, "-o", tmp_path / "out", "--shard-count", 7, "--no-shuffle", "-q").code == 0
    scores = [
        cli("evaluate", student, "--data", data, "--device", "cpu", "--workers", 0, "--json").json
        for data in (rooms, tmp_path / "out", tmp_path / "out" / "index.json")
    ]
    for score in scores[1:]:
        assert [score[name] for name in METRICS] == [scores[0][name] for name in METRICS]
    run = tmp_path / "run"
    outcome = cli("distill", "--teacher", tiny_teacher, "--data", tmp_path / "out", "-o", run, *short, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["corrupt_files"] == [] and (run / "student.safetensors").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stop_loses_no_whole_shard(number, cli, rooms, tmp_path) -> None:
    args = ("--shard-count", "2", "--workers", "1" if number == signal.SIGTERM else "0", "--json")
    assert cli("pack", rooms, "-o", tmp_path / "whole", *args).code == 0
    slow = (
        "import sys, time; import disdepth_cli.data.shards.encode as p; r = p.packed\n"
        "def packed(*a): time.sleep(0.15); return r(*a)\n"
        "p.packed = packed\nfrom disdepth_cli.cli.app import main; main()"
    )
    command = [sys.executable, "-c", slow, "pack", str(rooms), "-o", str(tmp_path / "out"), *args]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / "train-000001.tar").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    if number == signal.SIGTERM:  # as a service manager sends it: to the workers too
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and f"go on with --resume -o {tmp_path / 'out'}" in err
    assert "Traceback" not in err and not list((tmp_path / "out").glob(".*.tar"))
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.tar")}
    assert 2 <= len(before) < 9
    refused = cli("evaluate", "bundled", "--data", tmp_path / "out")
    assert refused.code == 1 and "is not packed to its end; go on with disdepth pack DATA --resume" in refused.err
    outcome = cli("pack", rooms, "-o", tmp_path / "out", "--resume", *args)
    assert outcome.code == 0, outcome.err
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in before} == before
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")


def test_a_kill_leaves_whole_shards_only(cli, rooms, tmp_path) -> None:
    """After SIGKILL in the middle of a shard: no half shard under its name, and --resume cleans up."""
    args = ("--shard-count", "6", "--workers", "0")
    assert cli("pack", rooms, "-o", tmp_path / "whole", *args).code == 0
    killed = (
        "import os, signal; import disdepth_cli.data.shards.encode as p; r, n = p.packed, []\n"
        "def packed(*a):\n n.append(1)\n if len(n) == 10: os.kill(os.getpid(), signal.SIGKILL)\n return r(*a)\n"
        "p.packed = packed\nfrom disdepth_cli.cli.app import main; main()"
    )
    command = [sys.executable, "-c", killed, "pack", str(rooms), "-o", str(tmp_path / "out"), *args]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert [file.name for file in (tmp_path / "out").glob("[!.]*")] == ["train-000000.tar"]
    assert len(list((tmp_path / "out").glob(".*.tmp.tar"))) == 1
    (tmp_path / "out" / "..packing.0123abcd.tmp.json").write_text("{")  # as a kill while the journal is written leaves
    assert cli("pack", rooms, "-o", tmp_path / "out", "--resume", *args).code == 0
    assert digests(tmp_path / "out") == digests(tmp_path / "whole")
    assert not list((tmp_path / "out").glob(".*"))


def test_what_is_refused(cli, refused, rooms, tmp_path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    refused(2, (tmp_path / "full", "already holds something", "--resume"), "pack", rooms, "-o", tmp_path / "full")
    refused(2, (tmp_path / "new", "no packing was begun"), "pack", rooms, "-o", tmp_path / "new", "--resume")
    refused(2, ("--output: is missing",), "pack", rooms)
    refused(1, (tmp_path / "no", "does not exist"), "pack", tmp_path / "no", "-o", tmp_path / "new")
    refused(2, ("--size", "not HEIGHTxWIDTH"), "pack", rooms, "-o", tmp_path / "new", "--size", "big")
    assert not (tmp_path / "new").exists()
    assert cli("pack", rooms, "-o", tmp_path / "out", "--workers", 0).code == 0
    refused(2, (tmp_path / "out", "already holds"), "pack", rooms, "-o", tmp_path / "out")
    refused(2, (tmp_path / "out", "is packed already"), "pack", rooms, "-o", tmp_path / "out", "--resume")


def test_resume_wants_the_same_options_and_data(refused, own_rooms, tmp_path) -> None:
    for line in (own_rooms.parent / "train.txt").read_text().splitlines()[3:5]:
        (own_rooms.parent / line.split()[0]).write_bytes(b"")
    args = ("pack", own_rooms, "-o", tmp_path / "out", "--no-shuffle", "--shard-count", "2", "--workers", "0")
    words = ("2 images cannot be packed", "--max-corrupt 1", "the last:", "is empty")
    refused(1, words, *args, "--max-corrupt", "1")
    words = ("--shard-count", "was begun with 2, not 3", "same options")
    refused(2, words, *args, "--resume", "--shard-count", "3")
    (own_rooms.parent / "val.txt").write_text((own_rooms.parent / "val.txt").read_text().splitlines()[0])
    refused(2, (tmp_path / "out", "the data has changed since"), *args, "--resume")


def test_files_that_cannot_be_read_are_named_and_left_out(cli, own_rooms, tmp_path) -> None:
    rows = [line.split() for line in (own_rooms.parent / "train.txt").read_text().splitlines()]
    (own_rooms.parent / rows[0][0]).write_bytes(b"no image")
    (own_rooms.parent / rows[5][1]).unlink()
    (own_rooms.parent / rows[5][1]).touch()
    outcome = cli("pack", own_rooms, "-o", tmp_path / "out", "--json", "--shard-count", "5", "--workers", "2")
    assert outcome.code == 0 and outcome.json["train"]["images"] == len(rows) - 2
    assert len(outcome.json["skipped"]) == 2
    for name in (rows[0][0], rows[5][1]):
        assert sum(name in reason for reason in outcome.json["skipped"]) == 1
        assert outcome.err.count(f"warning: skipped: {own_rooms.parent / name}") == 1
    assert len(load_source(tmp_path / "out").train) == len(rows) - 2


def test_float_depth_as_16_bit_and_as_float16(cli, refused, tmp_path) -> None:
    depth = np.linspace(0.5, 60, 40 * 60, dtype=np.float32).reshape(40, 60)
    depth[0, :5] = (0, np.nan, np.inf, -1, 0)
    data = float_rooms(tmp_path / "float", depth)
    valid = np.isfinite(depth) & (depth > 0)
    for kind, options, scale, error in (
        ("png", (), 256, 0.5 / 256 + 1e-4),
        ("png", ("--depth-scale", "1000"), 1000, 0.5 / 1000 + 1e-4),
        ("npy", ("--depth", "npy"), 1, 60 * 2**-11),
    ):
        out = tmp_path / f"{kind}{scale}"
        outcome = cli("pack", data, "-o", out, "--json", "--workers", 0, *options)
        assert outcome.code == 0 and outcome.json["depth"] == {"format": kind, "scale": scale}, outcome.err
        source = load_source(out)
        image, stored = read_pair(source.train[0], source.coding)
        assert source.train[0].depth.entry == f"rgb/{Path(source.train[0].image.entry).name[:3]}.depth.{kind}"
        np.testing.assert_array_equal(stored > 0, valid)
        assert np.abs(stored - depth)[valid].max() <= error
        np.testing.assert_array_equal(image, np.full_like(image, 10 * int(source.train[0].image.entry[6])))
    refused(
        1,
        ("depth/a.", "has depth of 60 m, but only 32.7675 m fit", "--depth-scale 1092", "--depth npy"),
        *("pack", data, "-o", tmp_path / "deep", "--depth-scale", "2000", "--workers", 0),
    )
    far = float_rooms(tmp_path / "far", np.full((40, 60), 1e5, np.float32))
    refused(1, ("has depth of 100000 m", "only 65504 m"), "pack", far, "-o", tmp_path / "f", "--depth", "npy")


def test_the_deepest_number_of_16_bit_fits(cli, own_rooms, tmp_path) -> None:
    image, depth, _ = (own_rooms.parent / "val.txt").read_text().splitlines()[0].split()
    for stored in (65535, 65534, 1):
        cv2.imwrite(str(own_rooms.parent / depth), np.full((64, 96), stored, np.uint16))
        outcome = cli("pack", own_rooms, "-o", tmp_path / f"{stored}", "--workers", 0, "-q")
        assert outcome.code == 0, outcome.err
        with tarfile.open(tmp_path / f"{stored}" / "val-000000.tar") as tar:
            packed = tar.extractfile(f"{Path(image).with_suffix('')}.depth.png").read()  # type: ignore[union-attr]
        assert packed == (own_rooms.parent / depth).read_bytes()


@pytest.mark.parametrize(
    ("size", "expected"), [("32", (32, 48)), ("48x60", (40, 60)), ("64x96", (64, 96)), ("999", None)]
)
def test_images_are_made_smaller_with_their_depth(size, expected, cli, rooms, tmp_path) -> None:
    assert cli("pack", rooms, "-o", tmp_path / "out", "--size", size, "--quality", 90, "-q").code == 0
    source, loose = load_source(tmp_path / "out"), load_source(rooms)
    image, depth = read_pair(source.val[0], source.coding)
    original, metres = read_pair(loose.val[0], loose.coding)
    assert image.shape[:2] == depth.shape == (expected or (64, 96))
    if expected in (None, (64, 96)):
        np.testing.assert_array_equal(image, original)
    else:
        assert source.val[0].image.entry.endswith(".jpg")
        small = cv2.resize(original, image.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(image.astype(int) - small).mean() < 12
        assert set(np.unique(depth)) <= set(np.unique(metres))


def test_a_smaller_depth_map_stays_under_its_image(tmp_path) -> None:
    """An edge in image and depth is at the same place before and after, whatever the ratio: no shift to one side."""
    from disdepth_cli.data.files.item import DataItem
    from disdepth_cli.data.shards.encode import Packing, packed

    shifts = []
    for edge in range(80, 240, 7):
        image, stored = np.zeros((240, 320, 3), np.uint8), np.full((240, 320), 1000, np.uint16)
        image[:, edge:], stored[:, edge:] = 255, 2000
        cv2.imwrite(str(tmp_path / "image.png"), image)
        cv2.imwrite(str(tmp_path / "depth.png"), stored)
        item = DataItem(tmp_path / "image.png", tmp_path / "depth.png")
        files = packed(item, load_source(tmp_path), Packing("png", 1000.0, size=60, quality=100))
        small, depth = (cv2.imdecode(np.frombuffer(files[name], np.uint8), -1) for name in ("jpg", "depth.png"))
        bright, far = small[30, :, 0].astype(float).sum() / 255, np.count_nonzero(depth[30] == 2000)
        shifts.append(bright - far)
    assert abs(np.mean(shifts)) < 0.2


def test_shards_close_before_they_grow_too_large(cli, rooms, tmp_path) -> None:
    outcome = cli("pack", rooms, "-o", tmp_path / "out", "--shard-size", "0.12", "--json", "--workers", 0)
    sizes = [file.stat().st_size for file in (tmp_path / "out").glob("train-*.tar")]
    assert outcome.code == 0 and len(sizes) > 2
    assert max(sizes) <= 120_000 + 20_480  # the end of a tar file is filled up


def test_unlabelled_images_get_shards_of_their_own(cli, own_rooms, tmp_path) -> None:
    more = own_rooms.parent / "more"
    more.mkdir()
    for number in range(3):
        cv2.imwrite(str(more / f"{number}.png"), np.full((64, 96, 3), number, np.uint8))
    own_rooms.write_text(own_rooms.read_text() + "unlabeled: more\n")
    outcome = cli("pack", own_rooms, "-o", tmp_path / "out", "--json", "--workers", 0)
    train = outcome.json["train"]
    assert (train["images"] - train["labelled"], train["shards"]) == (3, 2)
    source = load_source(tmp_path / "out")
    assert source.counts() == (train["labelled"], 3)
    assert [item.extra for item in source.train][-4:] == [False, True, True, True]


@pytest.mark.slow
def test_real_data_scores_the_same_from_shards(cli, real_data, tmp_path) -> None:
    data = real_data / "nyu_labeled"
    assert cli("pack", data, "-o", tmp_path / "out", "-q").code == 0
    scores = [
        cli("evaluate", "bundled", "--data", place, "--device", "cpu", "--json").json
        for place in (data, tmp_path / "out")
    ]
    assert [scores[1][name] for name in METRICS] == [scores[0][name] for name in METRICS]
