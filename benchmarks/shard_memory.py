"""Does memory grow with the data set? Peak memory and samples/s of training batches, loose files beside shards.

    python benchmarks/shard_memory.py [--counts 1000 10000 100000] [--folder DIR]

Makes data sets of small JPEG and 16-bit PNG pairs (32x48 pixels) in a temporary folder, as loose files (a list in
data.yaml) and packed by `disdepth pack`, and draws the same number of batches from each through the real loader, in a
process of its own. Memory is the PSS (/proc/*/smaps_rollup: shared pages are shared out) of that process and its
workers together, less what is mapped from files, such as libraries. Expected: with shards it is the same for every
size; with loose files it grows with the list.
Needs Linux, about 1.2 GB of disk for 100 000 samples, and some minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

SIZE = (32, 48)


def make_pairs(folder: Path, count: int) -> None:
    """Loose files and their lists: smooth colours with some noise, and a sloping depth; every 50th pair is val."""
    (folder / "rgb").mkdir(parents=True)
    (folder / "depth").mkdir()
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for number in range(count):
        slope, phase = random.uniform(-1, 1, 2), random.uniform(0, 6.3, 3)
        waves = np.sin(0.1 * (slope[0] * rows + slope[1] * columns)[..., None] + phase)
        image = np.clip(128 + 90 * waves + random.integers(-4, 5, (*SIZE, 3)), 0, 255).astype(np.uint8)
        depth = (3000 + 30 * (slope[0] * rows + slope[1] * columns)).astype(np.uint16)
        name = f"{number:06d}"
        cv2.imwrite(str(folder / "rgb" / f"{name}.jpg"), image)
        cv2.imwrite(str(folder / "depth" / f"{name}.png"), depth)
        lists["val" if number % 50 == 49 else "train"].append(f"rgb/{name}.jpg depth/{name}.png\n")
    for split, lines in lists.items():
        (folder / f"{split}.txt").write_text("".join(lines))
    (folder / "data.yaml").write_text("train: train.txt\nval: val.txt\n")


def stream(data: str, batches: int, workers: int) -> None:
    """Draw batches as a run does; prints samples/s, and seconds to the first batch, as JSON."""
    import torch

    from disdepth_cli.config import DistillConfig
    from disdepth_cli.training.prepare import prepare_data

    torch.set_num_threads(1)
    began = time.perf_counter()
    config = DistillConfig(
        data=data, workers=workers, batch_size=16, input_size="32x64", augment={"crop_size": "32x32"}, distill=False
    )
    drawn = prepare_data(config).batches(config.loop.batch_size, 0, 1, config.loop.seed)(0, batches)
    next(drawn)
    first = time.perf_counter() - began
    began = time.perf_counter()
    count = sum(len(batch) for batch in drawn)
    print(json.dumps({"speed": count / (time.perf_counter() - began), "first": first}))


def measure(data: Path, batches: int, workers: int) -> dict[str, float]:
    """Run `stream` in a process of its own and watch its memory."""
    command = [sys.executable, __file__, "--stream", str(data), "--batches", str(batches), "--workers", str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(pss(one) for one in family(process.pid)))
        time.sleep(0.1)
    assert process.stdout is not None
    if process.returncode:
        sys.exit(f"drawing batches of {data} failed")
    return {"pss": peak, **json.loads(process.stdout.read())}


def family(process: int) -> list[int]:
    """A process and all below it."""
    try:
        below = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [process, *(one for child in below for one in family(int(child)))]


def pss(process: int) -> float:
    """Proportional set size [MB] of what is not mapped from files: libraries are shared with the whole machine."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1000 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def main() -> None:
    """Make, pack and measure each size; print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the data is made; default: the system's temporary folder")
    parser.add_argument("--stream", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stream:
        stream(args.stream, args.batches, args.workers)
        return
    from disdepth_cli import pack

    print(f"{args.batches} batches of 16, {args.workers} workers; memory of all processes together [MB PSS]")
    print("samples   data    peak MB   shards/files   first batch s   samples/s   shards/files")
    for count in args.counts:
        with tempfile.TemporaryDirectory(dir=args.folder) as name:
            files, shards = Path(name) / "files", Path(name) / "shards"
            make_pairs(files, count)
            pack(data=files, output=shards, shard_count=1000)
            loose = measure(files / "data.yaml", args.batches, args.workers)
            shutil.rmtree(files)
            packed = measure(shards, args.batches, args.workers)
        for label, one, memory, speed in (
            ("files", loose, "", ""),
            ("shards", packed, f"{packed['pss'] / loose['pss']:.2f}", f"{packed['speed'] / loose['speed']:.2f}"),
        ):
            print(
                f"{count:7d}   {label:6s} {one['pss']:8.0f}   {memory:>12s}   {one['first']:13.1f}   "
                f"{one['speed']:9.0f}   {speed:>12s}",
                flush=True,
            )


if __name__ == "__main__":
    main()
