"""Where images come from and where depth goes: trees, addresses, stdin and stdout; formats, ranges, the summary."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from PIL import Image

from disdepth_cli import Depth, predict
from disdepth_cli.inputs import download
from disdepth_cli.inputs.find import find_images


@pytest.fixture
def done(cli, tmp_path):
    """`done(*args)` -> Outcome of predict with the bundled student, into `out`."""

    def run(*args, code=0):
        outcome = cli("predict", *args, "-o", tmp_path / "out", "--device", "cpu", "--offline")
        assert outcome.code == code, outcome.err
        return outcome

    return run


@pytest.fixture
def tree(photo, tmp_path):
    """Images in a folder and below it; `b/a.jpg` and `b/a.png` have one stem."""
    folder = tmp_path / "tree"
    for name in ("a.png", "b/a.png", "b/c/d.png", ".hidden/x.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, folder / name)
    cv2.imwrite(str(folder / "b" / "a.jpg"), cv2.imread(str(photo)))
    return folder


def depth_files(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*_depth.png"))


def test_a_folder_keeps_its_tree(done, tree, tmp_path):
    wanted = ["a_depth.png", "b/a_jpg_depth.png", "b/a_png_depth.png", "b/c/d_depth.png"]
    (tree / "b" / "back").symlink_to(tree)
    outcome = done(tree)
    assert depth_files(tmp_path / "out") == wanted and len(outcome.out.splitlines()) == 4
    assert "4 images in " in outcome.err and "images/s), depth from " in outcome.err
    names = [image.name for image in find_images([f"{tree}/**/*.png"])]
    assert names == [str(tree / name) for name in ("a.png", "b/a.png", "b/c/d.png")]
    assert [str(image.below) for image in find_images([f"{tree}/**/*.png"])] == [".", "b", "b/c"]
    assert len(find_images([str(tree), str(tree / "a.png"), f"{tree}/*.png"])) == 4


def test_no_image_is_written_over(refused, tree, photo, tmp_path):
    mine = tree / "b" / "c" / "d_depth.png"
    shutil.copy(photo, mine)
    words = (mine, f"the result of {tree}/b/c/d.png would be written over it", "-o another folder")
    refused(1, words, "predict", tree, "-o", tree, "--device", "cpu")
    assert mine.read_bytes() == photo.read_bytes() and depth_files(tree) == ["b/c/d_depth.png"]


class Site(BaseHTTPRequestHandler):
    photo = b""
    asked = threading.Event()

    def do_GET(self):
        if self.path == "/silent.png":
            time.sleep(1.5)
            return
        if self.path == "/slow.png":
            self.trickle()
            return
        known = self.path.startswith("/photos/")
        self.send_response(200 if known else 404)
        length = {"/photos/cut.png": 2 * len(self.photo), "/photos/large.png": 10**9}.get(self.path, len(self.photo))
        if self.path != "/photos/endless.png":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(self.photo * (40 if self.path == "/photos/endless.png" else known))

    def trickle(self):
        """A byte a tenth of a second, for a minute: a download that is ended by nobody would last as long."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.asked.set()
        with suppress(OSError):  # nobody reads any more
            for _ in range(600):
                self.wfile.write(b"x")
                time.sleep(0.1)

    def log_message(self, *_):
        pass


@pytest.fixture
def site(photo, monkeypatch):
    """The address of a server here that has the photo as `photos/NAME`."""
    monkeypatch.setattr(Site, "photo", photo.read_bytes())
    monkeypatch.setattr(download, "MOST_BYTES", 10 * len(Site.photo))
    monkeypatch.setattr(download, "SECONDS_SILENT", 0.5)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_address_is_fetched(cli, site, photo, tmp_path):
    address = f"{site}/photos/the%20room.png?size=1"
    outcome = cli("predict", address, "-o", tmp_path, "--device", "cpu", "--json", "--range", "shared")
    assert outcome.code == 0, outcome.err
    (one,) = outcome.json["results"]
    assert one["image"] == address and one["depth"] == str(tmp_path / "the_room_depth.png")
    assert np.array_equal(Depth.load(one["depth"]).values.shape, cv2.imread(str(photo)).shape[:2])
    assert predict(address, device="cpu").results[0].image == address


def test_ctrl_c_ends_a_download_that_is_under_way(site, tmp_path):
    command = [sys.executable, "-m", "disdepth_cli", "predict", f"{site}/slow.png", "-o", tmp_path, "--device", "cpu"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # tests may run where it is ignored
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    assert Site.asked.wait(60)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130 and "Traceback" not in stderr, stderr
    assert not list(tmp_path.iterdir())


def test_downloads_go_on_after_those_that_were_stopped(site):
    """As in a notebook, where Ctrl-C ends a call and not the process."""
    download.stop_downloads()
    assert download.download(f"{site}/photos/the%20room.png")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing.png", "HTTP 404 Not Found"),
        ("silent.png", "no answer for 0.5 s"),
        ("photos/large.png", "has more than"),
        ("photos/endless.png", "has more than"),
        ("photos/cut.png", "bytes too early"),
    ],
)
def test_an_address_that_gives_no_image_is_one_line(site, name, words):
    (image,) = find_images([f"{site}/{name}"])
    with pytest.raises(download.DataError) as error:
        image.read()
    assert str(error.value).startswith(f"{site}/{name}: ") and words in str(error.value)
    assert "\n" not in str(error.value)


def test_offline_fetches_nothing(refused, site, tmp_path):
    refused(1, (f"{site}/a.png", "--offline", "give its file"), "predict", f"{site}/a.png", "--offline")


class Pipe(io.TextIOWrapper):
    """Standard input or output that is no terminal."""

    def __init__(self, data=b""):
        super().__init__(io.BytesIO(data), errors="replace")


def test_from_stdin_to_stdout(cli, photo, monkeypatch, tmp_path):
    assert cli("predict", photo, "-o", tmp_path, "--device", "cpu").code == 0
    out = Pipe()
    monkeypatch.setattr(sys, "stdin", Pipe(photo.read_bytes()))
    monkeypatch.setattr(sys, "stdout", out)
    outcome = cli("predict", "-", "--output", "-", "--device", "cpu")
    assert outcome.code == 0 and "1 image in " in outcome.err
    assert out.buffer.getvalue() == (tmp_path / f"{photo.stem}_depth.png").read_bytes()


def test_stdin_is_named_in_a_folder(cli, photo, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", Pipe(photo.read_bytes()))
    outcome = cli("predict", "-", "-o", tmp_path, "--device", "cpu", "--json", "--range", "shared")
    assert outcome.code == 0, outcome.err
    assert outcome.json["results"][0]["depth"] == str(tmp_path / "stdin_depth.png")
    assert (tmp_path / "stdin_color.png").is_file()


def test_what_stdout_cannot_hold_is_refused(refused, photo, tree):
    given = ("--device", "cpu", "--output", "-")
    refused(2, ("--output -", "takes one image", "4"), "predict", tree, *given)
    refused(2, ("--output -", "--json"), "predict", photo, *given, "--json")
    refused(2, ("--output -", "--save exr needs a folder"), "predict", photo, *given, "--save", "png,exr")


def test_formats(done, photo, tmp_path):
    outcome = done(photo, "--save", "npz,exr", "--save", "png", "--save-numpy", "--json")
    (one,) = outcome.json["results"]
    exact = np.load(one["numpy"])
    with np.load(one["npz"]) as archive:
        assert np.array_equal(archive["depth"], exact) and str(archive["unit"]) == "metres"
    for name in ("npz", "exr"):
        read = Depth.load(one[name])
        assert np.array_equal(read.values, exact) and read.unit == "metres" and read.max_depth == 10.0
    result = predict(photo, output=tmp_path / "python", save="exr", device="cpu")
    assert result.results[0].written.exact.suffix == ".exr" and np.array_equal(result.depth.values, exact)


def test_a_format_without_its_package_names_the_command(refused, photo, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    words = ("--save exr", "needs OpenEXR", "pip install 'disdepth[formats]'")
    refused(1, words, "predict", photo, "-o", tmp_path / "out", "--save", "exr")
    assert not (tmp_path / "out").exists()


def test_one_range_for_all_pictures(done, photo, tmp_path):
    dark = tmp_path / "dark.png"
    cv2.imwrite(str(dark), cv2.imread(str(photo)) // 2)
    outcome = done(photo, dark, "--range", "shared", "--pred-only", "--json")
    depths = [Depth.load(one["depth"]) for one in outcome.json["results"]]
    assert depths[0].span != depths[1].span
    both = min(one.span[0] for one in depths), max(one.span[1] for one in depths)
    for one, depth in zip(outcome.json["results"], depths, strict=True):
        with Image.open(one["color"]) as picture:
            shown = np.asarray(picture).astype(int)
        assert np.abs(shown - depth.colour(span=both)).mean() < 1 < np.abs(shown - depth.colour()).mean()
    low, high = outcome.json["min_m"], outcome.json["max_m"]
    assert low == min(one["min_m"] for one in outcome.json["results"]) and high > low
    one = done(photo, "--range", "0-10", "--pred-only", "--json").json["results"][0]
    with Image.open(one["color"]) as picture:
        assert np.abs(np.asarray(picture).astype(int) - depths[0].colour(span=(0, 10))).mean() < 1


@pytest.mark.parametrize(("text", "words"), [("5-1", "the smaller one"), ("near", "MIN-MAX"), ("1-1", "the smaller")])
def test_a_range_that_is_none(refused, photo, text, words):
    refused(2, ("--range", words, text), "predict", photo, "--range", text)
