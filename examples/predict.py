"""Depth of images with the bundled student.

    python examples/predict.py image.png depth.png

The student is for indoor images, in metres.
"""

from __future__ import annotations

import sys

from disdepth_cli import Depth, load_student


def main(image: str, output: str) -> Depth:
    """Write the depth of `image` to `output` (.png, .npy or .npz), and read it again."""
    student = load_student("bundled")  # or a run folder, a student.safetensors, OWNER/NAME on the Hub
    depth = student.predict(image)  # a path, bytes, a PIL image, or an array (H, W, 3) of uint8 RGB
    height, width = depth.values.shape  # float32, metres
    middle = depth.values[height // 2, width // 2]
    print(f"{image}: {depth.values.min():.2f} to {depth.values.max():.2f} m, {middle:.2f} m in the middle")
    depth.save(output)
    return Depth.load(output)  # a PNG holds whole millimetres, and its scale


if __name__ == "__main__":
    main(*sys.argv[1:])
