"""Every reader of a file that others may have written or damaged, and a sound file for each."""

from __future__ import annotations

import io
import json
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import OpenEXR
import scipy.io
import yaml
from lab import Lab
from PIL import Image

from disdepth_cli.config import CompareConfig, DistillConfig, PackConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.data.files.hdf5 import Hdf5Member, names
from disdepth_cli.data.files.images import read_depth, read_image
from disdepth_cli.data.files.matlab import read_matlab
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.data.shards.journal import Journal
from disdepth_cli.depth.depth import Depth
from disdepth_cli.engine.compare import compare
from disdepth_cli.models.student import load_student
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.runs.metrics_table import MetricsTable
from disdepth_cli.runs.state_file import StateFile
from disdepth_cli.scoring.acclimated_run import load_acclimation
from disdepth_cli.teachers import load_teacher


@dataclass(frozen=True)
class Reader:
    """file: a sound one, whose bytes are damaged. read: reads it, and gives what it holds. text: it is text. exact: it
    has a digest, so it is refused, or gives what it gave. share: of the number of trials, where reading is slow."""

    name: str
    file: Path
    read: Callable[[Path], Any]
    text: bool = False
    exact: bool = False
    share: float = 1.0


def readers(lab: Lab, folder: Path, only: Sequence[str] = ()) -> Iterator[Reader]:
    """All readers, with their files in a new folder. only: of which groups."""
    folder.mkdir()
    for name, group in GROUPS.items():
        if not only or name in only:
            yield from group(lab, folder)


def _images(lab: Lab, folder: Path) -> Iterator[Reader]:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix in (".jpg", ".png", ".tif", ".webp", ".bmp", ".gif", ".ppm"):
        file = folder / f"image{suffix}"
        picture.save(file, **({"exif": exif} if suffix in (".jpg", ".png", ".webp") else {}))
        yield Reader(f"image {suffix}", file, read_image)


def _depths(lab: Lab, folder: Path) -> Iterator[Reader]:
    metres = np.random.default_rng(0).uniform(1, 9, (24, 32)).astype(np.float32)
    millimetres = (metres * 1000).astype(np.uint16)
    data = metres.tobytes()
    files = {
        "depth.png": _bytes(Image.fromarray(millimetres), "PNG"),
        "depth.tif": _bytes(Image.fromarray(metres), "TIFF"),
        "depth.pgm": b"P5\n32 24\n65535\n" + millimetres.astype(">u2").tobytes(),
        "depth.pfm": b"Pf\n32 24\n-1.0\n" + data,
        "depth.dpt": struct.pack("<fii", 202021.25, 32, 24) + data,
        "depth.bin": b"32&24&1&" + data,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    np.save(folder / "depth.npy", metres)
    np.savez_compressed(folder / "depth.npz", depth=metres, mask=metres > 2)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Z": metres}).write(str(folder / "depth.exr"))
    for name in (*files, "depth.npy", "depth.npz", "depth.exr"):
        yield Reader(name, folder / name, lambda file: read_depth(file, 1000))
    for suffix in (".png", ".npy", ".npz", ".exr"):
        saved = folder / f"saved{suffix}"
        Depth(metres, "metric_depth", 0.1, 10.0).save(saved)
        yield Reader(f"Depth.load {suffix}", saved, lambda file: Depth.load(file).values)


def _bytes(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def _containers(lab: Lab, folder: Path) -> Iterator[Reader]:
    with h5py.File(folder / "depth.hdf5", "w") as file:
        file.create_dataset("depth", data=np.ones((3, 8, 8), np.float32), compression="gzip")

    def hdf5(path: Path) -> Any:
        return names(path), Hdf5Member(str(path), "depth/1").read()

    yield Reader("HDF5", folder / "depth.hdf5", hdf5)
    scipy.io.savemat(folder / "splits.mat", {"trainNdxs": np.arange(20), "testNdxs": np.arange(5)})
    yield Reader("MATLAB", folder / "splits.mat", lambda path: read_matlab(path, "trainNdxs", "testNdxs"))


def _first_pairs(place: Path) -> Any:
    source = load_source(place)
    return [read_pair(item, source.coding) for item in [*source.train[:3], *source.val[:1]]]


def _descriptions(lab: Lab, folder: Path) -> Iterator[Reader]:
    values = yaml.safe_load(lab.data.read_text())
    root = folder / "set"
    shutil.copytree(lab.data.parent, root)
    yield Reader("data.yaml", root / "data.yaml", _first_pairs, text=True)
    yield Reader("list", root / "train.txt", lambda _: _first_pairs(root), text=True)
    (folder / "options.yaml").write_text(yaml.safe_dump({"data": "x", "lr": 0.1, "augment": {"gamma": [0.9, 1.1]}}))
    yield Reader("--config", folder / "options.yaml", lambda file: build_config(DistillConfig, {}, file), text=True)
    shards = folder / "shards"
    shutil.copytree(lab.shards, shards)
    yield Reader("shard index", shards / "index.json", lambda _: _first_pairs(shards), text=True, share=0.5)
    yield Reader("shard", min(shards.glob("train*.tar")), lambda _: _first_pairs(shards))
    config = PackConfig(data=str(lab.data), output=folder / "packing")
    lengths = {"train": 18, "val": 2}
    Journal.open(config, lengths, values["depth_scale"])
    again = config.replaced(resume=True)
    journal = next((folder / "packing").glob(".*.json"))
    yield Reader("packing journal", journal, lambda _: Journal.open(again, lengths, 1000.0), text=True)


def _runs(lab: Lab, folder: Path) -> Iterator[Reader]:
    run = folder / "run"
    shutil.copytree(lab.run, run)
    options = RunContents(run).config()
    verb = options.pop("verb")
    resumed = build_config(DistillConfig, {"output": str(run), "resume": True}, _without(run / "config.yaml", folder))
    entries = json.loads((run / "last" / "entries.json").read_text())
    state = StateFile(run / "last" / "state.safetensors")
    yield Reader("run: config.yaml", run / "config.yaml", lambda _: RunFolder(run).check_same(resumed, verb), text=True)
    yield Reader("run: report.json", run / "report.json", lambda _: compare(CompareConfig(runs=[run])), text=True)
    table = run / "metrics.csv"
    yield Reader("run: metrics.csv", table, lambda file: MetricsTable(file, 99, lambda said: None).rows, text=True)
    whole = RunFolder(run)
    yield Reader("run: entries", run / "last/entries.json", lambda _: whole.check_entries(entries), text=True)
    yield Reader("run: state", state.file, lambda _: state.load(), exact=True, share=0.3)


def _without(config: Path, folder: Path) -> Path:
    """A run's options without its verb, as `--config` takes them."""
    options = {name: value for name, value in yaml.safe_load(config.read_text()).items() if name != "verb"}
    (folder / "resumed.yaml").write_text(yaml.safe_dump(options))
    return folder / "resumed.yaml"


def _networks(lab: Lab, folder: Path) -> Iterator[Reader]:
    student = shutil.copy(lab.run / "student.safetensors", folder / "student.safetensors")
    acclimated = shutil.copy(lab.acclimated / "acclimated.safetensors", folder / "acclimated.safetensors")
    yield Reader("student", Path(student), lambda file: load_student(file).state_dict(), exact=True, share=0.3)
    yield Reader("acclimated", Path(acclimated), lambda file: load_acclimation(file)[0].state_dict(), exact=True)
    teacher = folder / "teacher"
    shutil.copytree(lab.teacher, teacher)
    for file in sorted(teacher.glob("*.json")):
        yield Reader(f"teacher: {file.name}", file, lambda _: load_teacher(str(teacher)), text=True, share=0.2)
    weights = teacher / "model.safetensors"
    yield Reader("teacher: weights", weights, lambda _: load_teacher(str(teacher)), share=0.1)


GROUPS = {
    "images": _images,
    "depths": _depths,
    "containers": _containers,
    "descriptions": _descriptions,
    "runs": _runs,
    "networks": _networks,
}
