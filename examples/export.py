"""A student as an ONNX file, run without disdepth and without PyTorch.

    pip install 'disdepth[export]'
    python examples/export.py bundled image.png exports/bundled

The image's size becomes the size that the file takes.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np
import onnxruntime

from disdepth_cli import export


def depth_in_onnx_runtime(file: str, image: np.ndarray) -> np.ndarray:
    """image (H, W, 3) uint8 RGB of the file's size -> depth (H, W) float32; what your program does."""
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (depth,) = session.run(["depth"], {"image": image[None]})
    return depth[0]


def main(model: str, photo: str, folder: str) -> np.ndarray:
    """Export for images of the photo's size, then give the photo's depth [m]."""
    image = cv2.cvtColor(cv2.imread(photo), cv2.COLOR_BGR2RGB)
    height, width = image.shape[:2]
    result = export(model, source=(height, width), output=folder)  # format="openvino", precision="int8", ...
    print(f"{result.file}: {result.bytes / 1e6:.1f} MB, in {result.metadata['unit']}")
    print(f"checked on {result.check['images']} image: differs from predict by {result.check['mean']:.1e}, relative")
    return depth_in_onnx_runtime(result.file, image)


if __name__ == "__main__":
    main(*sys.argv[1:4])
