"""run.py, which is written beside an exported file: an image in, depth out, with the runtime alone."""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.exporting.format_table import FORMATS, module_of
from disdepth_cli.exporting.metadata import ExportMetadata
from disdepth_cli.exporting.web_page import write_page
from disdepth_cli.files import write_text

_HEAD = '''"""Depth of an image, without disdepth: python run.py IMAGE [DEPTH.npy]

Needs: pip install numpy opencv-python-headless {packages}
"""

import pathlib
import sys

import cv2
import numpy as np

HERE, MODEL = pathlib.Path(__file__).parent, "{file}"
'''
_IMAGE = '''

def depth_of(image):
    """image (H, W, 3) uint8 RGB -> depth (H, W) float32, {unit}. Another size than {height}x{width} loses accuracy."""
    size = image.shape[:2]
    if size != ({height}, {width}):
        image = cv2.resize(image, ({width}, {height}), interpolation=cv2.INTER_AREA)
    depth = run(image[None])[0]
    return depth if size == ({height}, {width}) else cv2.resize(depth, size[::-1], interpolation=cv2.INTER_LINEAR)
'''
_TENSOR = '''

def depth_of(image):
    """image (H, W, 3) uint8 RGB of the shape of {source} -> depth (H, W) float32, {unit}."""
    size, (rows, columns) = image.shape[:2], ({rows}, {columns})
    shrinks = rows < size[0] and columns < size[1]
    image = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    image = cv2.copyMakeBorder(image, {top}, {below}, {left}, {right}, cv2.BORDER_REPLICATE)
    tensor = image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    depth = run(tensor)[0, {top} : {top} + rows, {left} : {left} + columns]
    return cv2.resize(depth, size[::-1], interpolation=cv2.INTER_LINEAR)
'''
_TAIL = """

image = cv2.cvtColor(cv2.imread(sys.argv[1]), cv2.COLOR_BGR2RGB)
depth = depth_of(image)
print(f"{{sys.argv[1]}}: {{depth.min():.3f}} to {{depth.max():.3f}} ({unit})")
if len(sys.argv) > 2:
    np.save(sys.argv[2], depth)
"""


def write_program(folder: Path, about: ExportMetadata, file: str, runtime: Path | None) -> None:
    """run.py beside a file or folder of that name; or the page, where the tarball of its runtime is given."""
    if runtime is not None:
        write_page(folder, runtime)
    elif (script := _run_script(about, file)) is not None:
        write_text(folder / "run.py", script)


def _run_script(about: ExportMetadata, file: str) -> str | None:
    """The program for a file or folder of that name; None where no runtime has Python on this kind of machine."""
    kind = FORMATS[about.format]
    if kind.session is None:
        return None
    head = _HEAD.format(packages=kind.packages, file=file)
    if about.input == "image":
        height, width = about.source
        body = _IMAGE.format(height=height, width=width, unit=about.unit)
    else:
        body = _TENSOR.format(**_fitting(about), unit=about.unit)
    return head + module_of(about.format).RUN + body + _TAIL.format(unit=about.unit)


def _fitting(about: ExportMetadata) -> dict[str, int | str]:
    """How an image of the source's size lies in the network's input."""
    (rows, columns), (height, width) = about.rule().scaled(*about.source), about.rule().padded(*about.source)
    top, left = (height - rows) // 2, (width - columns) // 2
    return {
        "rows": rows, "columns": columns, "top": top, "left": left,
        "below": height - rows - top, "right": width - columns - left,
        "source": f"{about.source[0]}x{about.source[1]}",
    }  # fmt: skip
