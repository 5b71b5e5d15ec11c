"""A page around an ONNX file that runs it in the browser, with onnxruntime-web: npm's files, copied, never ours."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from disdepth_cli.data.shards.eviction import cache_folder
from disdepth_cli.depth.colours import colour_table
from disdepth_cli.errors import ExportError, MissingError, one_line
from disdepth_cli.exporting.calibration import ROOM
from disdepth_cli.files import write_atomic, write_text
from disdepth_cli.observer import Observer

VERSION = "1.30.0"
TARBALL = f"onnxruntime-web-{VERSION}.tgz"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Of the tarball, in base64, as npm states it."""
FETCH = f"curl -LO https://registry.npmjs.org/onnxruntime-web/-/{TARBALL}"
RUNTIME = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
"""What the page loads of `dist`: three files for WebAssembly, or three for WebGPU."""
PAGE = Path(__file__).parents[1] / "assets" / "web"


def runtime_tarball(offline: bool, observer: Observer) -> Path:
    """onnxruntime-web's tarball: in the current folder, in the cache, or fetched into the cache by npm.

    Raises:
        MissingError: it is nowhere, and npm may not or cannot fetch it; the message says the command that does.
        ExportError: the file in the current folder is not npm's.
    """
    cached = cache_folder() / "web" / TARBALL
    for tarball in (Path(TARBALL), cached):
        if tarball.is_file():
            if not _is_npms(tarball):
                raise ExportError(f"{tarball}: is not npm's file of that name; remove it, then: {FETCH}")
            return tarball
    npm = shutil.which("npm")
    if offline or npm is None:
        reason = "--offline forbids to fetch" if offline else "is not in this folder"
        raise MissingError(f"--format web: needs {TARBALL}, which {reason}; {FETCH}")
    observer.on_note(f"fetching onnxruntime-web {VERSION} with npm, 33 MB, once")
    with TemporaryDirectory() as temporary:
        command = [npm, "pack", f"onnxruntime-web@{VERSION}", "--pack-destination", temporary]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        fetched = Path(temporary) / TARBALL
        if done.returncode or not fetched.is_file() or not _is_npms(fetched):
            reason = one_line(done.stderr) or "its file is another one"
            raise MissingError(f"--format web: npm cannot fetch {TARBALL} ({reason}); {FETCH}")
        write_atomic(cached, partial(shutil.copyfile, fetched))
    return cached


def write_page(folder: Path, tarball: Path) -> None:
    """index.html, its scripts, colours and example, and onnxruntime-web, beside export.json and the ONNX file."""
    for file in (*PAGE.iterdir(), ROOM):
        name = "example.jpg" if file == ROOM else file.name
        write_atomic(folder / name, partial(shutil.copyfile, file))
    write_text(folder / "colours.json", json.dumps(colour_table("Spectral_r").tolist()))
    with tarfile.open(tarball) as archive:
        for name in RUNTIME:
            write_atomic(folder / "onnxruntime" / name, partial(_unpack, archive, name))


def _unpack(archive: tarfile.TarFile, name: str, place: Path) -> None:
    member = archive.extractfile(f"package/dist/{name}")
    assert member is not None
    place.write_bytes(member.read())


def _is_npms(tarball: Path) -> bool:
    return base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode() == SHA512
