"""How fast `disdepth predict` is beside its model alone, how long one image takes from a cold start, and the help.

    python benchmarks/predict_speed.py [--images FOLDER] [--count 60] [--repetitions 5] [--model bundled]

FOLDER: photos; by default rendered rooms of 480x640. Each figure has its baseline beside it, taken in turns. `old`
writes PNG as predict did before: by Pillow, one image after the other.

Expected, on two cores with one thread for the model (OMP_NUM_THREADS=1): a folder at 0.85 of the model's own images/s;
one image from a cold start below 1 s of CPU time with an exported file; `--help` in 0.35 s.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from disdepth_cli import export
from disdepth_cli.config import PredictConfig
from disdepth_cli.data.files.images import read_image
from disdepth_cli.depth.colours import colourise
from disdepth_cli.engine import predict as verb
from disdepth_cli.exporting.formats.session import default_threads
from disdepth_cli.observer import SILENT
from disdepth_cli.outputs.pictures import side_by_side
from disdepth_cli.predictor import Predictor

OPEN = verb.open_in_runtime  # what measures a folder puts the opened model in its place
Times = dict[str, list[tuple[float, float]]]


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--model", default="bundled")
    args = parser.parse_args()
    machine = f"{os.cpu_count()} cores, {default_threads()} thread(s) for the model, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}; median (least to most)")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        found = sorted(args.images.iterdir()) if args.images else rendered(place, args.count)
        images = found[: args.count]
        for backend in ("torch", "onnx"):
            of_folder(args.model, backend, images, place / backend, args.repetitions)
        from_cold(args.model, images[0], place, args.repetitions)


def rendered(folder: Path, count: int) -> list[Path]:
    """That many rooms of 480 x 640."""
    command = [
        sys.executable,
        "-m",
        "disdepth_cli.demo.rooms",
        str(folder / "rooms"),
        "--count",
        str(count),
        "--size",
        "480x640",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return sorted((folder / "rooms" / "rgb").iterdir())


def of_folder(model: str, backend: str, images: Sequence[Path], out: Path, repetitions: int) -> None:
    """The model alone, on images that lie in memory, beside predict on the files, as it is and as it was."""
    predictor = OPEN(model, backend, "cpu", "auto", None, True, SILENT)
    decoded = [read_image(file) for file in images]
    predictor.predict(decoded[0])
    out.mkdir()
    config = PredictConfig(sources=list(map(str, images)), output=out, device="cpu")
    verb.open_in_runtime = lambda *_: predictor  # opening does not grow with the images
    times = in_turns(
        {
            "model": lambda: [predictor.predict(image) for image in decoded],
            "predict": lambda: verb.predict(config),
            "old": lambda: [old(predictor, file, out) for file in images],
        },
        repetitions,
    )
    print(f"\n{len(images)} images of {decoded[0].shape[0]}x{decoded[0].shape[1]}, {backend} ({predictor.precision})")
    each = {name: [(wall / len(images), cpu / len(images)) for wall, cpu in found] for name, found in times.items()}
    for name in times:
        wall, cpu = (spread([1000 * times[kind] for times in each[name]]) for kind in (0, 1))
        speed = statistics.median(1 / wall for wall, _ in each[name])
        ratio = statistics.median(own / wall for (own, _), (wall, _) in zip(each["model"], each[name], strict=True))
        print(f"  {name:8} {speed:6.1f} images/s   {ratio:.2f} of the model's   wall {wall} ms   CPU {cpu} ms an image")


def old(predictor: Predictor, file: Path, out: Path) -> None:
    """One image as predict did it before."""
    image = read_image(file)
    depth = predictor.predict(image)
    text = PngImagePlugin.PngInfo()
    text.add_text("disdepth:scale", "1000")
    stored = np.clip(np.rint(depth.astype(np.float64) * 1000), 0, 65535).astype(np.uint16)
    for name, pixels in (("depth", stored), ("color", side_by_side(image, colourise(depth)))):
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, format="PNG", pnginfo=text)
        (out / f"{file.stem}_{name}.png").write_bytes(content.getvalue())


def from_cold(model: str, image: Path, place: Path, repetitions: int) -> None:
    """Processes of their own: one image with an exported file, with the checkpoint in PyTorch; the help."""
    height, width = read_image(image).shape[:2]
    file = export(model=model, source=(height, width), output=place / "export").file
    command = [sys.executable, "-m", "disdepth_cli"]
    predicting = [*command, "predict", str(image), "-o", str(place / "out"), "--quiet", "-m"]
    calls: dict[str, Callable[[], Any]] = {
        "python -c pass": partial(run, [sys.executable, "-c", "pass"]),
        "disdepth --help": partial(run, [*command, "--help"]),
        "predict, .onnx": partial(run, [*predicting, file]),
        "predict, torch": partial(run, [*predicting, model, "--backend", "torch"]),
    }
    print("\none process each")
    for name, found in in_turns(calls, repetitions, of_children=True).items():
        wall, cpu = (spread([times[kind] for times in found]) for kind in (0, 1))
        print(f"  {name:16} CPU {cpu} s   wall {wall} s")


def run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def in_turns(calls: dict[str, Callable[[], Any]], repetitions: int, of_children: bool = False) -> Times:
    """Name to (wall, CPU) times [s], one call after the other in every repetition."""
    times: Times = {name: [] for name in calls}
    for _ in range(repetitions):
        for name, call in calls.items():
            began, worked = time.perf_counter(), cpu_seconds(of_children)
            call()
            times[name].append((time.perf_counter() - began, cpu_seconds(of_children) - worked))
    return times


def cpu_seconds(of_children: bool) -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN if of_children else resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def spread(values: list[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(values):6.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
