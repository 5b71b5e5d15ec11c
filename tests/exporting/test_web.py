"""`--format web`: a folder that runs the student in the browser, offline once loaded, and gives Python's metres."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from disdepth_cli import export, load_student
from disdepth_cli.errors import ConfigError, ExportError, MissingError
from disdepth_cli.exporting import web_page
from disdepth_cli.exporting.exported import open_exported
from disdepth_cli.observer import SILENT

from .conftest import ROOM

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small tarball in the current folder with the names of npm's, which counts as npm's."""
    monkeypatch.chdir(tmp_path)
    with tarfile.open(web_page.TARBALL, "w:gz") as archive:
        for name in (*web_page.RUNTIME, "ort.all.js"):
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    tarball = Path(web_page.TARBALL)
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    monkeypatch.setattr(web_page, "SHA512", digest)
    return tarball


def test_the_folder_has_all_that_the_page_asks_for(stand_in, tiny_student, photo, tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    result = export(model=tiny_student, format="web", source="128x160", offline=True, output=tmp_path / "web")
    folder = Path(result["folder"])
    about = json.loads((folder / "export.json").read_text())
    assert result["check"]["state"] == "ok" and about["size"] == [128, 160] and about["dtype"] == "uint8"
    assert {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} == {
        "index.html", "page.mjs", "network.mjs", "sw.mjs", "colours.json", "example.jpg", "export.json", about["file"],
        *(f"onnxruntime/{name}" for name in web_page.RUNTIME),
    }  # fmt: skip
    for name in web_page.RUNTIME:
        assert (folder / "onnxruntime" / name).read_text() == name
    assert np.shape(json.loads((folder / "colours.json").read_text())) == (256, 3)
    scripts = "".join(file.read_text() for file in (*folder.glob("*.mjs"), folder / "index.html"))
    assert "https://" not in scripts  # nothing comes from elsewhere
    wanted = load_student(tiny_student).predict(photo).values
    np.testing.assert_allclose(open_exported(str(folder)).predict(photo), wanted, rtol=1e-4)
    with pytest.raises(ConfigError, match="--input tensor: --format web takes --input image only"):
        export(model=tiny_student, format="web", input="tensor", output=tmp_path / "tensor")


def test_without_the_runtime_it_says_the_command(tiny_student, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))
    command = r"curl -LO https://registry\.npmjs\.org/onnxruntime-web/-/onnxruntime-web-1\.30\.0\.tgz"
    with pytest.raises(MissingError, match=rf"--format web: needs .*--offline forbids to fetch; {command}"):
        export(model=tiny_student, format="web", offline=True, output=tmp_path / "web")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match=f"is not in this folder; {command}"):
        export(model=tiny_student, format="web", output=tmp_path / "web")
    npm = tmp_path / "npm"
    npm.write_text(f"#!{sys.executable}\nraise SystemExit('npm error network')\n")
    npm.chmod(0o755)
    if os.name == "posix":
        with pytest.raises(MissingError, match=rf"npm cannot fetch .* \(npm error network\); {command}"):
            export(model=tiny_student, format="web", output=tmp_path / "web")
    (tmp_path / web_page.TARBALL).write_bytes(b"another file")
    with pytest.raises(ExportError, match="is not npm's file of that name; remove it"):
        export(model=tiny_student, format="web", output=tmp_path / "web")
    assert not (tmp_path / "web").exists()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The bundled student's page in headless Chromium, loaded; `page.served` is its server, `page.asked` what it asked
    for, `page.folder` where it lies."""
    playwright = pytest.importorskip("playwright.sync_api")
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    try:
        web_page.runtime_tarball(False, SILENT)
    except MissingError as error:
        pytest.skip(str(error))
    folder = Path(export(model="bundled", format="web", output=tmp_path_factory.mktemp("web"))["folder"])
    served = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *camera])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.served, page.folder, page.asked = served, folder, []
        page.on("request", lambda request: page.asked.append(request.url))
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(error))
        page.goto(f"http://127.0.0.1:{served.server_port}/")
        loaded(page)
        yield page
        assert not page.errors
        browser.close()
    served.server_close()


def loaded(page: Any) -> None:
    page.wait_for_function("document.getElementById('time')?.textContent.includes('ms')", timeout=120_000)


UNLIKE = ". Unlike the student's training images: its depth may be wrong"


def status(page: Any, name: str) -> str:
    """What the page says once it shows the picture or video of that name."""
    text = "document.getElementById('status').textContent"
    there = f"name => {text}.startsWith(name) && {text} !== `${{name}} ...`"
    page.wait_for_function(there, arg=name, timeout=60_000)
    return str(page.text_content("#status"))


def depth_in(page: Any, name: str) -> np.ndarray:
    found = page.evaluate(
        "name => disdepth.predict(name).then(({depth, width, height}) => [Array.from(depth), height, width])", name
    )
    return np.array(found[0], np.float32).reshape(found[1:])


def save(page: Any, name: str, image: np.ndarray) -> np.ndarray:
    cv2.imwrite(str(page.folder / name), image[..., ::-1])
    return image


def difference(depth: np.ndarray, wanted: np.ndarray) -> float:
    assert depth.shape == wanted.shape and np.ptp(wanted) > 0.05 * wanted.mean()
    return float((np.abs(depth - wanted) / wanted).mean())


@pytest.fixture(scope="module")
def room() -> np.ndarray:
    """A real photo (480, 640, 3) uint8 RGB."""
    image = cv2.cvtColor(cv2.imread(str(ROOM)), cv2.COLOR_BGR2RGB)
    return cv2.resize(image, (640, 480), interpolation=cv2.INTER_LINEAR)


@pytest.mark.slow
def test_its_metres_are_pythons(page, room):
    save(page, "room.png", room)
    assert difference(depth_in(page, "room.png"), load_student("bundled").predict(room).values) < 1e-5


@pytest.mark.slow
def test_a_picture_of_another_shape_lies_between_repeated_edges(page, room):
    student = load_student("bundled")
    wide, tall = save(page, "wide.png", room[80:400]), save(page, "tall.png", room[:, 100:421])
    wanted = student.predict(np.pad(wide, ((80, 80), (0, 0), (0, 0)), mode="edge")).values[80:400]
    assert difference(depth_in(page, "wide.png"), wanted) < 1e-5
    wanted = student.predict(np.pad(tall, ((0, 0), (159, 160), (0, 0)), mode="edge")).values[:, 159:480]
    assert difference(depth_in(page, "tall.png"), wanted) < 1e-5


@pytest.mark.slow
def test_it_shows_metres_and_fits_a_phone(page, room):
    page.locator("#file").set_input_files(page.folder / "example.jpg")
    assert status(page, "example.jpg") == f"example.jpg{UNLIKE}"
    page.hover("#depth", position={"x": 100, "y": 60})
    here, time, backend = (page.text_content(f"#{name}") for name in ("here", "time", "backend"))
    depth = depth_in(page, "example.jpg")
    box = page.locator("#depth").bounding_box()
    under = depth[int(60 / box["height"] * depth.shape[0]), int(100 / box["width"] * depth.shape[1])]
    assert here.endswith(" m") and float(here[:-2]) == pytest.approx(under, abs=0.02)
    assert time.endswith(" ms") and backend.startswith("WebAssembly, ")
    low, *_, high = page.locator("#ticks span").all_text_contents()
    assert float(low[:-2]) == pytest.approx(np.percentile(depth, 2), abs=0.02)
    assert float(high[:-2]) == pytest.approx(np.percentile(depth, 98), abs=0.02)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    save(page, "noise.png", np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8))
    page.locator("#file").set_input_files(page.folder / "noise.png")
    assert status(page, "noise.png") == f"noise.png{UNLIKE}"
    page.locator("#file").set_input_files(page.folder / "export.json")
    page.wait_for_selector("#status.error")
    assert page.text_content("#status").startswith("export.json: ")


@pytest.mark.slow
def test_camera_and_video_run(page, tmp_path):
    page.click("#camera")
    page.wait_for_function("document.getElementById('time').textContent.includes('a second')", timeout=60_000)
    assert page.text_content("#status").startswith("Camera")
    page.click("#camera")
    assert page.text_content("#camera") == "Start the camera"
    video = tmp_path / "clip.webm"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"VP80"), 10, (320, 240))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no WebM")
    for shift in range(10):
        writer.write(np.roll(cv2.imread(str(ROOM)), shift, axis=1))
    writer.release()
    page.locator("#file").set_input_files(video)
    assert status(page, "clip.webm") in ("clip.webm", f"clip.webm{UNLIKE}")  # one or the other, by the codec
    page.click("#pause")
    assert page.text_content("#pause") == "Go on"
    page.locator("#file").set_input_files(page.folder / "example.jpg")  # ends it
    assert status(page, "example.jpg") == f"example.jpg{UNLIKE}"
    assert page.is_hidden("#pause")


@pytest.mark.slow
def test_it_works_offline_once_loaded(page, room):
    """The last test: it ends the server. What is not the page's own is not kept: the address may be another site's."""
    save(page, "room.png", room)
    depth_in(page, "room.png")
    before = depth_in(page, "example.jpg")
    home = f"http://127.0.0.1:{page.served.server_port}/"
    assert not [url for url in page.asked if url.startswith("http") and not url.startswith(home)]
    page.served.shutdown()
    page.served.server_close()
    page.reload()
    loaded(page)
    assert page.is_visible("#offline") and page.evaluate("crossOriginIsolated")
    np.testing.assert_array_equal(depth_in(page, "example.jpg"), before)
    with pytest.raises(Exception, match="Failed to fetch"):  # playwright's own, an extra
        depth_in(page, "room.png")
