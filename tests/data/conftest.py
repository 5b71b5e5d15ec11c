"""Tiny files for the data tests, and a web server for them."""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from PIL import Image

MakePairs = Callable[..., Path]


UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture(scope="session")
def as_stored() -> Callable[[Image.Image, int], Image.Image]:
    """`as_stored(upright, orientation)`: a picture as the sensor saw it, by the orientation that the camera noted."""
    return lambda upright, orientation: upright.transpose(UNDO[orientation]) if orientation in UNDO else upright


@pytest.fixture
def make_pairs(tmp_path: Path) -> MakePairs:
    """A folder with rgb/NNNN.png and depth/NNNN.png (uint16, 2 m everywhere unless told otherwise)."""

    def make(count: int, size: tuple[int, int] = (48, 64), stored: int = 2000, name: str = "set") -> Path:
        root = tmp_path / name
        (root / "rgb").mkdir(parents=True)
        (root / "depth").mkdir()
        rng = np.random.default_rng(count)
        for number in range(count):
            image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            cv2.imwrite(str(root / "rgb" / f"{number:04d}.png"), image)
            cv2.imwrite(str(root / "depth" / f"{number:04d}.png"), np.full(size, stored, np.uint16))
        return root

    return make


@pytest.fixture
def open_files() -> Callable[[Path], list[str]]:
    """`open_files(folder)`: the names of the folder's files that this process has open, sorted."""
    held = Path("/proc/self/fd")
    if not held.is_dir():
        pytest.skip("the system does not tell which files are open")

    def names(folder: Path) -> list[str]:
        paths = [os.path.realpath(link) for link in held.iterdir()]
        return sorted(Path(path).name for path in paths if path.startswith(os.path.realpath(folder) + os.sep))

    return names


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(name, array)` writes an image (8-bit colours), 16-bit depth, .npy or .hdf5 below `tmp_path / "tree"`.

    Without an array: an 8x12 image. A string is a text file.
    """

    def save(name: str, held: np.ndarray | str | None = None) -> Path:
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        held = np.full((8, 12, 3), 90, np.uint8) if held is None else held
        if isinstance(held, str):
            path.write_text(held)
        elif path.suffix == ".npy":
            np.save(path, held)
        elif path.suffix == ".hdf5":
            with h5py.File(path, "w") as file:
                file["dataset"] = held
        else:
            assert cv2.imwrite(str(path), held)
        return path

    return save


class Site(ThreadingHTTPServer):
    """A web server in this process. gets: bodies sent, by file name; sent: their bytes.

    refuse: how many answers are 503 still. cut: how many bodies are cut in half. ranges: whether parts of files are
    given. lengths: whether their length is said.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.gets: Counter[str] = Counter()
        self.sent = 0
        self.refuse, self.cut = 0, 0
        self.ranges, self.lengths = True, True
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.0"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        site, file = self.server, self.server.folder / self.path.lstrip("/")
        if site.refuse > 0:
            site.refuse -= 1
            self.send_error(503)
            return
        if not file.is_file():
            self.send_error(404)
            return
        data = file.read_bytes()
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if site.ranges else None
        first, last = (int(span[1]), int(span[2] or len(data) - 1)) if span else (0, len(data) - 1)
        part = data[first : last + 1]
        self.send_response(206 if span else 200)
        if span:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        if site.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if site.lengths:
            self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if not body:
            return
        with site.lock:
            site.gets[file.name] += 1
            cut = site.cut > 0 and file.suffix == ".tar"
            site.cut -= cut
            part = part[: len(part) // 2] if cut else part
            site.sent += len(part)
        self.wfile.write(part)


@contextmanager
def serve(folder: Path) -> Iterator[Site]:
    """The files of a folder, until the end of the block."""
    site = Site(folder)
    thread = threading.Thread(target=site.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        site.server_close()
        thread.join()


@pytest.fixture
def serve_files() -> Callable[[Path], AbstractContextManager[Site]]:
    """`with serve_files(folder) as site`: a web server of that folder's files."""
    return serve
