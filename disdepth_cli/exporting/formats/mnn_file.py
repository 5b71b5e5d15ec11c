"""MNN: phones; made from the ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from disdepth_cli.errors import ExportError
from disdepth_cli.exporting.formats import onnx_file
from disdepth_cli.exporting.formats.quiet import quiet
from disdepth_cli.exporting.formats.session import Session, default_threads, tool, version_of
from disdepth_cli.exporting.metadata import DEPTH, IMAGE

if TYPE_CHECKING:
    from disdepth_cli.exporting.student_graph import Graph

RUN = """
import MNN

runtime = MNN.nn.create_runtime_manager(({"backend": "CPU", "precision": "high"},))
net = MNN.nn.load_module_from_file(str(HERE / MODEL), ["image"], ["depth"], runtime_manager=runtime)


def run(tensor):
    kind = MNN.expr.uint8 if tensor.dtype == np.uint8 else MNN.expr.float
    given = MNN.expr.placeholder(list(tensor.shape), MNN.expr.NCHW, kind)
    given.write(np.ascontiguousarray(tensor))
    return np.array(net.forward(given).read())
"""


def write(graph: Graph, path: Path, inputs: Sequence[np.ndarray] = ()) -> None:
    """Write the file; fp16 halves the weights.

    Raises:
        ExportError: MNN, onnx or onnxscript is missing, or MNN cannot convert this student.
    """
    tool("MNN", "--format mnn")
    with TemporaryDirectory() as temporary:
        onnx = Path(temporary) / "student.onnx"
        onnx_file.write(graph, onnx)
        convert(onnx, path, half=graph.about.precision == "fp16")


def convert(onnx: Path, path: Path, half: bool) -> None:
    """Write the file from an ONNX file in float32."""
    # MNN's own command would install a package that reports its use; the function behind it does not.
    converter: Any = tool("_tools", "--format mnn")
    words = ["mnnconvert", "-f", "ONNX", "--modelFile", str(onnx), "--MNNModel", str(path), "--bizCode", "disdepth"]
    with quiet():
        converter.mnnconvert([*words, "--fp16"] if half else words)
    if not path.is_file():
        raise ExportError("--format mnn: MNN did not convert this student; take --format onnx")


class MnnSession(Session):
    """A file in MNN on the CPU, in float32."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Raises:
        ExportError: MNN is missing.
        """
        self._mnn: Any = tool("MNN", str(path))
        options = {"backend": "CPU", "precision": "high", "numThread": threads or default_threads()}
        with quiet():
            runtime = self._mnn.nn.create_runtime_manager((options,))
            self._net = self._mnn.nn.load_module_from_file(str(path), [IMAGE], [DEPTH], runtime_manager=runtime)
        self.runtime, self.precision = f"MNN {version_of('MNN')}", "fp32"

    def run(self, image: np.ndarray) -> np.ndarray:
        expr = self._mnn.expr
        given = expr.placeholder(list(image.shape), expr.NCHW, expr.uint8 if image.dtype == np.uint8 else expr.float)
        given.write(np.ascontiguousarray(image))
        return np.array(self._net.forward(given).read())
