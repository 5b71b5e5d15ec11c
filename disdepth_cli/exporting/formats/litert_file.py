"""LiteRT (TensorFlow Lite): Android. Its converter wants older packages: an environment of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from disdepth_cli.exporting.formats.quiet import quiet
from disdepth_cli.exporting.formats.session import Session, default_threads, tool, version_of
from disdepth_cli.exporting.metadata import DEPTH, IMAGE, KEY

if TYPE_CHECKING:
    from disdepth_cli.exporting.student_graph import Graph

SIGNATURE = "serving_default"
RUN = """
from ai_edge_litert.interpreter import Interpreter

signature = Interpreter(model_path=str(HERE / MODEL)).get_signature_runner("serving_default")


def run(tensor):
    return signature(image=np.ascontiguousarray(tensor))["depth"]
"""


def write(graph: Graph, path: Path, inputs: Sequence[np.ndarray] = ()) -> None:
    """Write the file; int8, with the ranges seen on `inputs`, quantises the convolutions alone.

    Everything in int8 gives nonsense: 8-bit probabilities times centres.

    Raises:
        ExportError: litert-torch or ai-edge-litert is missing.
    """
    with quiet():
        converter: Any = tool("litert_torch", "--format litert")
        tool("ai_edge_litert", "--format litert")
        model = converter.convert(_Named(graph.module).eval(), sample_kwargs={IMAGE: graph.example})
        with TemporaryDirectory() as temporary:
            whole = Path(temporary) / "student.tflite"
            model.export(str(whole))
            content = _described(whole.read_bytes(), graph.about.model_dump_json())
            whole.write_bytes(content)  # before int8, whose files keep weights where the schema's code loses them
            if graph.about.precision == "int8":
                _quantise(whole, path, inputs)
            else:
                path.write_bytes(content)


class _Named(nn.Module):
    """Outputs have the names of a dictionary's keys."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {DEPTH: self.module(image)}


def _quantise(source: Path, target: Path, inputs: Sequence[np.ndarray]) -> None:
    from ai_edge_quantizer import qtyping, quantizer

    job = quantizer.Quantizer(str(source))
    for operation in (qtyping.TFLOperationName.CONV_2D, qtyping.TFLOperationName.DEPTHWISE_CONV_2D):
        job.add_static_config(regex=".*", operation_name=operation, activation_num_bits=8, weight_num_bits=8)
    seen = job.calibrate({SIGNATURE: [{IMAGE: image} for image in inputs]})
    job.quantize(seen).export_model(str(target), overwrite=True)


def _described(content: bytes, about: str) -> bytes:
    """The file with metadata under our key."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(about.encode(), np.uint8)
    model.buffers.append(buffer)
    entry.name, entry.buffer = KEY, len(model.buffers) - 1
    model.metadata = [*(model.metadata or ()), entry]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class LiteRtSession(Session):
    """A file in LiteRT on the CPU."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Raises:
        ExportError: ai-edge-litert is missing.
        """
        interpreter: Any = tool("ai_edge_litert.interpreter", str(path))
        with quiet():
            self._interpreter = interpreter.Interpreter(str(path), num_threads=threads or default_threads())
            self._interpreter.allocate_tensors()
            self._signature = self._interpreter.get_signature_runner(SIGNATURE)
        self.runtime = f"LiteRT {version_of('ai-edge-litert')}"
        kinds = {detail["dtype"] for detail in self._interpreter.get_tensor_details()}
        self.precision = "int8, else fp32" if np.int8 in kinds else "fp32"

    def run(self, image: np.ndarray) -> np.ndarray:
        return self._signature(image=np.ascontiguousarray(image))[DEPTH]
