"""ncnn: phones and boards with ARM cores. A folder with student.param and student.bin; tensors of a fixed size only."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from disdepth_cli.errors import ExportError
from disdepth_cli.exporting.formats.quiet import quiet
from disdepth_cli.exporting.formats.session import Session, default_threads, tool, version_of

if TYPE_CHECKING:
    from disdepth_cli.exporting.student_graph import Graph

PARAM, WEIGHTS = "student.param", "student.bin"
RUN = """
import ncnn

net = ncnn.Net()
net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False  # float32 throughout
net.load_param(str(HERE / MODEL / "student.param"))
net.load_model(str(HERE / MODEL / "student.bin"))


def run(tensor):
    planes = np.ascontiguousarray(tensor[0])
    with net.create_extractor() as extractor:
        extractor.input("in0", ncnn.Mat(planes))
        return extractor.extract("out0")[1].numpy().copy()[None]
"""


def write(graph: Graph, folder: Path, inputs: Sequence[np.ndarray] = ()) -> None:
    """Write the folder.

    Raises:
        ExportError: pnnx is missing, or cannot convert this student.
    """
    pnnx: Any = tool("pnnx", "--format ncnn")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary:
        made = Path(temporary) / "student"
        with quiet():
            pnnx.export(
                graph.module, f"{made}.pt", graph.example, check_trace=False, fp16=graph.about.precision == "fp16"
            )
        for suffix, name in ((".ncnn.param", PARAM), (".ncnn.bin", WEIGHTS)):
            if not Path(f"{made}{suffix}").is_file():
                raise ExportError("--format ncnn: pnnx did not convert this student; take --format onnx or litert")
            shutil.copyfile(f"{made}{suffix}", folder / name)


class NcnnSession(Session):
    """A folder in ncnn on the CPU, in float32."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        """Raises:
        ExportError: ncnn is missing, or the files are damaged.
        """
        ncnn: Any = tool("ncnn", str(folder))
        self._mat = ncnn.Mat
        self._net = ncnn.Net()
        options = self._net.opt
        options.num_threads = threads or default_threads()
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        with quiet():
            failed = self._net.load_param(str(folder / PARAM)) or self._net.load_model(str(folder / WEIGHTS))
        if failed:
            raise ExportError(f"{folder}: ncnn cannot read it; export it again")
        self.runtime, self.precision = f"ncnn {version_of('ncnn')}", "fp32"

    def run(self, image: np.ndarray) -> np.ndarray:
        planes = np.ascontiguousarray(image[0])  # has to outlive the call: ncnn does not copy it
        with self._net.create_extractor() as extractor:
            extractor.input("in0", self._mat(planes))
            return extractor.extract("out0")[1].numpy().copy()[None]
