"""Whether a cheap number tells images that are far from a student's training images from those that are not.

    python benchmarks/unlike_training.py --train FOLDER --images rooms=FOLDER --images streets=FOLDER [--model bundled]

Two kinds of numbers: the share of pixels that are predicted within 10 % of an end of the student's range, and at each
level of its encoder how far the channels' means lie from those of the training images, in their standard deviations
(root mean square over channels). Printed for each folder: the share of its images beyond the 99th percentile of the
training images. Noise, flat colours and drawings are made here (seed 0). --crop: pixels cut off at each side of the
training images and of the first folder, as training cuts off the white frame of NYU's images.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import cv2
import numpy as np
import torch

from disdepth_cli import DepthStudent, load_student
from disdepth_cli.data.files.images import decode_named
from disdepth_cli.inputs.find import find_images
from disdepth_cli.scoring.open_model import open_model
from disdepth_cli.working_size import WorkingSize, fit, to_pixels

MADE = 18  # images of each kind that are made here
PERCENTILE = 99
ENDS = 0.1


def main() -> None:
    """Measure and print a table, a row a number and a column a set of images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--images", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--crop", type=int, default=0)
    parser.add_argument("--most", type=int, default=100, help="images of a folder, evenly spread")
    args = parser.parse_args()
    student, size = load_student(args.model).eval(), open_model(args.model, "cpu").working_size
    named = dict(text.split("=", 1) for text in args.images)
    sets = {name: looked_at(student, size, read(folder, args.most)) for name, folder in named.items()}
    sets |= {name: looked_at(student, size, made(name)) for name in ("noise", "flat", "drawings")}
    first = next(iter(named))
    sets[f"{first}, cropped"] = looked_at(student, size, read(named[first], args.most, args.crop))
    train = looked_at(student, size, read(args.train, args.most, args.crop))
    print(f"share of images beyond the {PERCENTILE}th percentile of {len(train[0])} training images")
    print("", *(f"{name} ({len(rows[0])})" for name, rows in sets.items()), sep=" | ")
    for row, label in enumerate(("range ends", *(f"level {level}" for level in range(len(train) - 1)))):
        mean, spread = train[row].mean(0), train[row].std(0) + 1e-6
        limit = np.percentile(far(train[row], mean, spread), PERCENTILE)
        print(label, *(f"{(far(rows[row], mean, spread) > limit).mean():.2f}" for rows in sets.values()), sep=" | ")


def far(values: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """values (N, C) -> (N,): the distance from the mean, in standard deviations."""
    distance: np.ndarray = np.sqrt((((values - mean) / spread) ** 2).mean(1))
    return distance


def read(folder: str, most: int, crop: int = 0) -> list[np.ndarray]:
    """At most so many images (H, W, 3) of a folder or pattern, evenly spread, without their outermost pixels."""
    found = find_images([folder])
    chosen = np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)
    images = [decode_named(found[index].read(), found[index].name) for index in chosen]
    return [image[crop : image.shape[0] - crop, crop : image.shape[1] - crop].copy() for image in images]


def made(kind: str) -> list[np.ndarray]:
    """Images (480, 640, 3) of nothing."""
    draw = np.random.default_rng(0)
    if kind == "noise":
        return [draw.integers(0, 256, (480, 640, 3), dtype=np.uint8) for _ in range(MADE)]
    if kind == "flat":
        return [np.full((480, 640, 3), draw.integers(0, 256, 3), np.uint8) for _ in range(MADE)]
    pages = [np.full((480, 640, 3), 255, np.uint8) for _ in range(MADE)]
    for page in pages:
        for _ in range(25):
            x, y, right, down, radius = (
                int(value) for value in draw.integers((0, 0, 0, 0, 10), (640, 480, 640, 480, 120))
            )
            colour = tuple(int(value) for value in draw.integers(0, 256, 3))
            cv2.rectangle(page, (x, y), (right, down), colour, 2)
            cv2.circle(page, (x, y), radius, colour, -1)
    return pages


def looked_at(student: DepthStudent, size: WorkingSize, images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The share of pixels at the range's ends (N, 1), then the means of each level's channels (N, C)."""
    low, high = student.architecture.min_depth, student.architecture.max_depth
    rows: list[list[np.ndarray]] = []
    for image in images:
        with torch.inference_mode():
            output = student(torch.as_tensor(to_pixels(fit(image, size)[0])))
        depth, step = output.depth.numpy(), ENDS * (high - low)
        ends = ((depth < low + step) | (depth > high - step)).mean()
        rows.append([np.array([ends]), *(level[0].mean((1, 2)).numpy() for level in output.features)])
    return [np.stack(column) for column in zip(*rows, strict=True)]


if __name__ == "__main__":
    main()
