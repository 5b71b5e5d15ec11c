"""ONNX: written by torch.onnx, read by ONNX Runtime."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from disdepth_cli.config.types import ExportPrecision
from disdepth_cli.errors import ExportError, first_line
from disdepth_cli.exporting.formats.quiet import quiet
from disdepth_cli.exporting.formats.session import Session, default_threads, tool, version_of
from disdepth_cli.exporting.metadata import DEPTH, IMAGE, KEY, UNLIKE, ExportMetadata

if TYPE_CHECKING:
    from disdepth_cli.exporting.student_graph import Graph

RUN = """
import onnxruntime

session = onnxruntime.InferenceSession(HERE / MODEL, providers=["CPUExecutionProvider"])


def run(tensor):
    return session.run(["depth"], {"image": tensor})[0]
"""
_PROPERTIES = 14  # field of ModelProto: metadata_props, each with field 1 (key) and field 2 (value)
"""ONNX Runtime gives them too; with this, a file is described where only another runtime is installed."""


def write(graph: Graph, path: Path, inputs: Sequence[np.ndarray] = ()) -> None:
    """Write the graph as one file, weights inside; int8 with the ranges seen on `inputs`.

    Raises:
        ExportError: onnx, onnxscript or (for int8) onnxruntime is missing.
    """
    for name in ("onnx", "onnxscript"):
        tool(name, "--format onnx")
    import torch

    with quiet():
        program = torch.onnx.export(
            graph.module, (graph.example,), input_names=[IMAGE],
            output_names=[DEPTH, UNLIKE] if graph.about.unlike else [DEPTH], dynamo=True, verbose=False,
            dynamic_shapes=graph.free_sides(),
        )  # fmt: skip
    assert program is not None
    program.model.metadata_props[KEY] = graph.about.model_dump_json()
    if graph.about.precision != "int8":
        program.save(path, external_data=False)
        return
    from disdepth_cli.exporting.formats.int8 import quantise

    with TemporaryDirectory() as temporary:
        whole = Path(temporary) / "student.onnx"
        program.save(whole, external_data=False)
        quantise(whole, path, inputs, graph.about)


class OnnxSession(Session):
    """A file in ONNX Runtime, on the CPU."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """threads: default: `default_threads`.

        Raises:
            ExportError: onnxruntime is missing, or the file is damaged.
        """
        runtime = tool("onnxruntime", str(path))
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or default_threads()
        options.log_severity_level = 3
        # Waiting threads that spin take the cores from all others: twenty times slower on a busy machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common type
            raise ExportError(f"{path}: ONNX Runtime cannot read it ({first_line(error)}); export it again") from None
        self.runtime = f"ONNX Runtime {version_of('onnxruntime')}"
        about = read_metadata(path)
        self.precision = _computed_in(about.precision)
        self._outputs = [DEPTH, UNLIKE] if about.unlike else [DEPTH]

    def run(self, image: np.ndarray) -> np.ndarray:
        depth, *unlike = self._session.run(self._outputs, {IMAGE: image})
        self.unlike = tuple(unlike[0].tolist()) if unlike else ()
        return depth


def _computed_in(stored: ExportPrecision) -> str:
    """What ONNX Runtime's CPU kernels compute in: on x86 there are none for fp16, so it converts the weights."""
    if stored == "fp16" and platform.machine().lower() in ("x86_64", "amd64"):
        return "fp32, from fp16 weights"
    return "int8, else fp32" if stored == "int8" else stored


def read_metadata(path: Path) -> ExportMetadata:
    """What an ONNX file says of itself; no package is needed.

    Raises:
        ExportError: it is damaged, or not one of ours.
    """
    try:
        properties = dict(_properties(path.read_bytes()))
        return ExportMetadata.model_validate(json.loads(properties[KEY]))
    except KeyError:
        raise ExportError(f"{path}: was not written by `disdepth export`, so nothing says what it takes") from None
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, IndexError) as error:
        raise ExportError(f"{path}: is damaged ({first_line(error)}); export it again") from None


def _properties(data: bytes) -> list[tuple[str, str]]:
    """metadata_props of a serialised ModelProto."""
    found = []
    for field, value in _fields(data):
        if field == _PROPERTIES:
            entry = dict(_fields(value))
            found.append((entry[1].decode(), entry.get(2, b"").decode()))
    return found


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """Number and content of the length-delimited fields of a protocol buffer message; others are passed over."""
    fields, position = [], 0
    while position < len(data):
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == 0:
            _, position = _varint(data, position)
        elif kind == 2:
            length, position = _varint(data, position)
            if position + length > len(data):
                raise ValueError("its end is missing")
            fields.append((tag >> 3, data[position : position + length]))
            position += length
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        else:
            raise ValueError("it is no ONNX file")
    return fields


def _varint(data: bytes, index: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = data[index]
        value |= (byte & 127) << shift
        index, shift = index + 1, shift + 7
        if byte < 128:
            return value, index
