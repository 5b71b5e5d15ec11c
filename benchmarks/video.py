"""What `predict --smooth` does to a still and to a moving video, and what a long video needs.

    python benchmarks/video.py [--images FOLDER] [--count 6] [--frames 40] [--noise 4] [--seed 0] [--model bundled]
                               [--picture docs/flicker.jpg]

Still: an image with new sensor noise in each frame (normal, --noise of 255 levels). The figure is the mean absolute
change of depth from one frame to the next, in percent of the depth, without smoothing and with it. FOLDER holds
photographs; by default the images are rendered rooms of 240x320.

Moving: a rendered room with exact depth, seen by a camera that turns 30 degrees a second. The figure is the absolute
relative error (after the median of the first frame), without smoothing and with it: smoothing must not blur motion.

Long: peak memory after 100 frames and after all of a video of 1500 frames of 96x128, in a process of its own.

Expected: the change falls to less than a third, the error stays within 3 percent of its value, and memory within 5.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator, default_rng

from disdepth_cli.data.files.images import read_image
from disdepth_cli.demo.rooms import render
from disdepth_cli.demo.scene import random_scene
from disdepth_cli.depth.depth import Depth
from disdepth_cli.outputs.pictures import panel, write_image
from disdepth_cli.outputs.video.clip import clip_range
from disdepth_cli.outputs.video.smoothing import DepthSmoother
from disdepth_cli.predictor import Predictor
from disdepth_cli.scoring.backend import open_in_runtime

RATE, SIZE = 30.0, (240, 320)
DEGREES = 30.0  # a second
MEMORY = """
import resource, sys
from disdepth_cli import predict
from disdepth_cli.observer import Silent
class Watch(Silent):
    def on_image(self, done, total):
        if done in (100, 1500):
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)
predict(sys.argv[1], model=sys.argv[2], output=sys.argv[3], smooth=True, device="cpu", observers=[Watch()])
"""


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--noise", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--picture", type=Path, help="draw the first still clip, and measure nothing")
    args = parser.parse_args()
    predictor = open_in_runtime(args.model, "auto", "cpu", "auto", None, True)
    random = default_rng(args.seed)
    files = sorted(args.images.iterdir())[: args.count] if args.images else []
    images = [read_image(file) for file in files] or [rendered(random) for _ in range(args.count)]
    where = "photographs" if files else "rendered rooms"
    if args.picture:
        draw(args.picture, predictor, images[0], noisy(images[0], args.frames, args.noise, random))
        return
    print(f"{args.model}, {len(images)} {where}, {args.frames} frames each, noise {args.noise:g} of 255 levels")
    changes = np.array([still(predictor, image, args.frames, args.noise, random) for image in images])
    tell("still: change from frame to frame, % of depth", 100 * changes)
    errors = np.array([moving(predictor, random, args.frames) for _ in range(args.count)])
    tell(f"moving ({DEGREES:g} degrees/s): absolute relative error", errors)
    first, last = memory(args.model)
    print(f"long: peak memory {first:.0f} MiB after 100 frames, {last:.0f} MiB after 1500: {last / first:.3f}")


def rendered(random: Generator) -> np.ndarray:
    """The photograph of a room."""
    return render(random_scene(random, *SIZE), random)[0]


def both(predictor: Predictor, frames: Iterator[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Depth (T, H, W) of the frames as it is, and smoothed."""
    plain = np.array([predictor.predict(frame) for frame in frames])
    smooth = DepthSmoother(RATE)
    return plain, np.array([smooth(depth) for depth in plain])


def noisy(image: np.ndarray, frames: int, noise: float, random: Generator) -> Iterator[np.ndarray]:
    """The image (H, W, 3) with new noise in each frame."""
    for _ in range(frames):
        yield np.clip(np.rint(image + random.normal(0, noise, image.shape)), 0, 255).astype(np.uint8)


def still(predictor: Predictor, image: np.ndarray, frames: int, noise: float, random: Generator) -> tuple[float, float]:
    """Mean of |change| / depth, without smoothing and with it, after the first ten frames."""
    plain, smooth = (depths[10:] for depths in both(predictor, noisy(image, frames, noise, random)))
    before, after = (float((np.abs(np.diff(one, axis=0)) / one[1:]).mean()) for one in (plain, smooth))
    return before, after


def moving(predictor: Predictor, random: Generator, frames: int) -> tuple[float, float]:
    """Absolute relative error over a turn of the camera, without smoothing and with it."""
    scene, seen, truth = random_scene(random, *SIZE), [], []
    seed = int(random.integers(1 << 30))
    for number in range(frames):
        camera = replace(scene.camera, yaw=scene.camera.yaw + np.deg2rad(DEGREES) * number / RATE)
        photo, depth = render(replace(scene, camera=camera), default_rng(seed))  # one exposure for the whole clip
        seen.append(photo)
        truth.append(depth)
    plain, smooth = both(predictor, iter(seen))
    scale = np.median(truth[0]) / np.median(plain[0])
    before, after = (float(np.mean(np.abs(one * scale / np.array(truth) - 1))) for one in (plain, smooth))
    return before, after


def draw(file: Path, predictor: Predictor, image: np.ndarray, frames: Iterator[np.ndarray]) -> None:
    """The middle row of the depth of each frame, one below the other: a still scene should have upright stripes."""
    plain, smooth = ([Depth(one, predictor.kind) for one in depths] for depths in both(predictor, frames))
    span = clip_range(plain, str(file))
    rows = {
        "a range for each frame": [depth.colour() for depth in plain],
        "one range for the clip": [depth.colour(span=span) for depth in plain],
        "one range, --smooth": [depth.colour(span=span) for depth in smooth],
    }
    middle = image.shape[0] // 2
    over_time = {name: np.array([picture[middle] for picture in pictures]) for name, pictures in rows.items()}
    size = image.shape[1::-1]
    shown = [(name, cv2.resize(one, size, interpolation=cv2.INTER_NEAREST)) for name, one in over_time.items()]
    write_image(file, panel([[("image", image), *shown]]))


def tell(what: str, pairs: np.ndarray) -> None:
    """One line: medians over the images, and their ratio."""
    before, after = np.median(pairs, axis=0)
    ratios = pairs[:, 1] / pairs[:, 0]
    span = f"{np.median(ratios):.3f} ({ratios.min():.3f} to {ratios.max():.3f})"
    print(f"{what}: {before:.4f} as it is, {after:.4f} smoothed; ratio {span}")


def memory(model: str) -> tuple[float, float]:
    """Peak memory [MiB] of predict after 100 frames and after 1500."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "long.avi"
        writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (128, 96))
        image = cv2.resize(rendered(default_rng(0)), (128, 96))
        for number in range(1500):
            writer.write(np.roll(image, number, axis=1))
        writer.release()
        command = [sys.executable, "-c", MEMORY, str(file), model, folder]
        words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(words[0]), float(words[1])


if __name__ == "__main__":
    main()
