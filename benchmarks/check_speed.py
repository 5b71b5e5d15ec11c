"""How long does `disdepth check` take? 1,000 pairs of 480x640, beside decoding the same files and nothing else.

    python benchmarks/check_speed.py [--pairs 1000] [--workers 2] [--data DATA]

Expected: decoding is a third to a half of the time, and 1,000 pairs take less than 20 s on 2 cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from disdepth_cli import check
from disdepth_cli.data.sets.open import load_source


def main() -> None:
    """Make pairs (or take DATA), decode them all, then check them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data or make_pairs(Path(folder) / "pairs", args.pairs)
        source = load_source(data)
        items = [*source.train, *source.val]
        files = [place for item in items for place in (item.image, item.depth) if isinstance(place, Path)]
        began = time.perf_counter()
        with ThreadPoolExecutor(args.workers) as pool:
            for _ in pool.map(lambda file: cv2.imread(str(file), cv2.IMREAD_UNCHANGED) is None, files):
                pass
        decoding = time.perf_counter() - began
        began = time.perf_counter()
        result = check(data=data, workers=args.workers, output=Path(folder) / "checks")
        checking = time.perf_counter() - began
    print(f"{len(items)} pairs, {args.workers} threads, {len(result['errors'])} errors")
    print(f"decoding {decoding:.1f} s   check {checking:.1f} s   ratio {checking / decoding:.2f}")
    print(f"check, for 1,000 pairs: {1000 * checking / len(items):.1f} s")


def make_pairs(folder: Path, count: int) -> Path:
    """Pictures with texture, so that they cost what photographs cost to decode."""
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = rng.integers(0, 255, (60, 80, 3), np.uint8)
        noise = rng.normal(0, 6, (480, 640, 3))
        image = np.clip(cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC) + noise, 0, 255).astype(np.uint8)
        depth = cv2.resize(rng.uniform(1, 8, (12, 16)), (640, 480), interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(folder / f"rgb/{number:05d}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        cv2.imwrite(str(folder / f"depth/{number:05d}.png"), (depth * 1000).astype(np.uint16))
    return folder


if __name__ == "__main__":
    main()
