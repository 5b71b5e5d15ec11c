"""Draw docs/points.jpg: the points of a rendered room, by its exact depth and by a student's, seen from elsewhere.

python benchmarks/points_picture.py docs/points.jpg [--model bundled]
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
import numpy as np

from disdepth_cli import Depth, load_student
from disdepth_cli.data.files.images import read_image
from disdepth_cli.demo.scene import FIELD_OF_VIEW
from disdepth_cli.depth.points import Points
from disdepth_cli.outputs.pictures import panel, write_image

ASSETS = Path(__file__).parent.parent / "disdepth_cli" / "assets"
VIEWS = {"from the left": (30, 8), "from above": (0, 40)}
"""Name to how far the view is turned about the middle of the points, to the side and down [degrees]."""
FINER = 3


def main() -> None:
    """Predict, turn, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="bundled")
    args = parser.parse_args()
    image = read_image(ASSETS / "probe_rgb.png")
    exact = cv2.imread(str(ASSETS / "probe_depth.png"), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
    height, width = (side * FINER for side in exact.shape)
    fine = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    maps = {
        "exact depth": Depth(cv2.resize(exact, (width, height), interpolation=cv2.INTER_LINEAR)),
        "student": load_student(args.model).predict(fine),
    }
    rows = []
    for name, depth in maps.items():
        points = depth.points(fine, fov=math.degrees(FIELD_OF_VIEW))
        colour = cv2.resize(depth.colour(), image.shape[1::-1], interpolation=cv2.INTER_AREA)
        views = [(view, seen(points, *turn)) for view, turn in VIEWS.items()]
        rows.append([("image", image), (name, colour), *views])
    write_image(args.output, panel(rows))


def seen(points: Points, side: float, down: float) -> np.ndarray:
    """The points on white, as a camera sees them that is turned about their middle [degrees]."""
    height, width = (side // FINER for side in points.kept.shape)
    middle = np.array([0, 0, np.median(points.xyz[:, 2])])
    turn = cv2.Rodrigues(np.radians([0.0, side, 0.0]))[0] @ cv2.Rodrigues(np.radians([-down, 0.0, 0.0]))[0]
    x, y, z = ((points.xyz - middle) @ turn + middle).T
    camera = points.intrinsics.scaled(1 / FINER)
    columns, rows = (
        np.rint(x / z * camera.fx + camera.cx).astype(int),
        np.rint(y / z * camera.fy + camera.cy).astype(int),
    )
    order = np.argsort(-z)
    order = order[((z > 0.1) & (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height))[order]]
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[rows[order], columns[order]] = points.rgb[order]  # the nearest one is drawn last
    return picture


if __name__ == "__main__":
    main()
