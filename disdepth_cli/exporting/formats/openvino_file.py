"""OpenVINO: its own two files made from the ONNX; it also reads ONNX files as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from disdepth_cli.errors import ExportError, first_line
from disdepth_cli.exporting.formats import onnx_file
from disdepth_cli.exporting.formats.quiet import quiet
from disdepth_cli.exporting.formats.session import Session, default_threads, tool, version_of
from disdepth_cli.exporting.metadata import DEPTH, IMAGE, KEY, UNLIKE, ExportMetadata

if TYPE_CHECKING:
    from disdepth_cli.exporting.student_graph import Graph

RUN = """
import openvino

# Without the hint OpenVINO computes in bf16 on CPUs that can: errors of 1.5 % in the mean.
compiled = openvino.Core().compile_model(HERE / MODEL / "student.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def run(tensor):
    return np.asarray(compiled({"image": tensor})["depth"])
"""
MODEL = "student.xml"
"""In the folder of an exported student, with student.bin beside it."""


def write(graph: Graph, folder: Path, inputs: Sequence[np.ndarray] = ()) -> None:
    """Write the folder; int8 with the ranges seen on `inputs`.

    Raises:
        ExportError: openvino, onnx, onnxscript or (for int8) onnxruntime is missing.
    """
    tool("openvino", "--format openvino")
    with TemporaryDirectory() as temporary:
        onnx = Path(temporary) / "student.onnx"
        onnx_file.write(graph, onnx, inputs)
        convert(onnx, folder, graph.about)


def convert(onnx: Path, folder: Path, about: ExportMetadata) -> None:
    """Write the folder from an ONNX file."""
    openvino: Any = tool("openvino", "--format openvino")
    with quiet():
        model = openvino.Core().read_model(onnx)
        model.set_rt_info(about.model_dump_json(), KEY)
        folder.mkdir(parents=True, exist_ok=True)
        openvino.save_model(model, folder / MODEL, compress_to_fp16=about.precision == "fp16")


class OpenVinoSession(Session):
    """A folder, or an ONNX file, in OpenVINO on the CPU."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """threads: default: `default_threads`.

        Raises:
            ExportError: openvino is missing, or the files are damaged.
        """
        openvino: Any = tool("openvino", str(path))
        options = {
            # On CPUs with bf16 it would compute in bf16 unasked: errors of 1.5 % in the mean, 5 % at most.
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads or default_threads(),
            "ENABLE_CPU_PINNING": False,
        }
        file = path / MODEL if path.is_dir() else path
        try:
            core = openvino.Core()
            self._compiled = core.compile_model(core.read_model(file), "CPU", options)
        except Exception as error:  # its errors have no common type
            reason = (str(error).strip().splitlines() or ["no reason given"])[-1][:200]
            raise ExportError(f"{file}: OpenVINO cannot read it ({reason}); export it again") from None
        self.runtime = f"OpenVINO {version_of('openvino')}"
        about = read_metadata(file)
        self.precision, self._tells = self._precision(about), about.unlike

    def _precision(self, about: ExportMetadata) -> str:
        """What is really computed in: quantised layers in int8, the others as the compiled model says."""
        name = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        floats = {"f32": "fp32", "f16": "fp16", "bf16": "bf16"}.get(name, name)
        return f"int8, else {floats}" if about.precision == "int8" else floats

    def run(self, image: np.ndarray) -> np.ndarray:
        found = self._compiled({IMAGE: image})
        self.unlike = tuple(found[UNLIKE].tolist()) if self._tells else ()
        return np.asarray(found[DEPTH])


def read_metadata(path: Path) -> ExportMetadata:
    """What a folder, its student.xml or an ONNX file says of itself; no package is needed.

    Raises:
        ExportError: it is damaged, or not one of ours.
    """
    file = path / MODEL if path.is_dir() else path
    if file.suffix == ".onnx":
        return onnx_file.read_metadata(file)
    from xml.etree import ElementTree

    try:
        found = ElementTree.parse(file).getroot().find(f"rt_info/{KEY}")
        if found is None:
            raise ExportError(f"{path}: was not written by `disdepth export`, so nothing says what it takes")
        return ExportMetadata.model_validate(json.loads(found.attrib["value"]))
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror})") from None
    except (ElementTree.ParseError, ValueError, KeyError) as error:
        raise ExportError(f"{path}: is damaged ({first_line(error)}); export it again") from None
