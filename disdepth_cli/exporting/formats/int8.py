"""int8 for ONNX: quantise and dequantise nodes around all that can bear it; OpenVINO reads the same file.

Measured: what is behind the logits must stay float (8-bit probabilities times centres give nonsense), and so must the
path of the bins' widths. All operator types are quantised, so that a convolution's range is that of its clipped output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.errors import ExportError
from disdepth_cli.exporting.formats.quiet import quiet
from disdepth_cli.exporting.formats.session import tool
from disdepth_cli.exporting.metadata import IMAGE, ExportMetadata

LOGITS, WIDTHS, FINEST = "decoder.head.logits.weight", "decoder.head.widths.0.weight", "decoder.lateral.0.0.weight"
"""Weights that mark the places: behind the first and on the way through the second all is float; what is before the
third is stem and first blocks."""


def quantise(source: Path, target: Path, inputs: Sequence[np.ndarray], about: ExportMetadata) -> None:
    """Write `target`, the int8 version of the float32 file `source`, with ranges seen on `inputs`.

    Weights are signed, one scale a channel; activations unsigned, from their least to their greatest value.

    Raises:
        ExportError: onnxruntime is missing, or the graph is not that of a student.
    """
    onnx: Any = tool("onnx", "--precision int8")
    quantization: Any = tool("onnxruntime.quantization", "--precision int8")
    model = onnx.load(source)
    with quiet():
        quantization.quantize_static(
            model,
            target,
            _reader(quantization)(inputs),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=kept_float(model.graph, early="early" in about.float_parts),
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )


def _reader(quantization: Any) -> type:
    """The class that hands inputs to the calibration; ONNX Runtime wants it derived from its own."""

    class Reader(quantization.CalibrationDataReader):
        def __init__(self, inputs: Sequence[np.ndarray]) -> None:
            self.inputs: Iterator[np.ndarray] = iter(inputs)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.inputs, None)
            return None if image is None else {IMAGE: image}

    return Reader


def kept_float(graph: Any, early: bool) -> list[str]:
    """Names of the nodes that are not quantised.

    These are what brings the image to the network, what is behind the logits convolution, the path of the bins' widths,
    and with `early` also stem and blocks down to stride 4.
    """
    made = {name: node for node in graph.node for name in node.output}
    takers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    logits, widths, finest = (_user(takers, name) for name in (LOGITS, WIDTHS, FINEST))
    first = next(node for node in graph.node if node.op_type == "Conv")
    kept = _before(first, made) + _behind(logits, takers) + [widths, *_behind(widths, takers)]
    pooled = made[widths.input[0]]
    while pooled.op_type not in ("Conv", "Relu"):  # the mean over the coarsest level, and its reshaping
        kept.append(pooled)
        pooled = made[pooled.input[0]]
    if early:
        kept += _before(finest, made)
    return sorted({node.name for node in kept})


def _user(takers: dict[str, list[Any]], weight: str) -> Any:
    """The node that has this weight, whatever the module's name before it."""
    for name, nodes in takers.items():
        if name.endswith(weight):
            return nodes[0]
    raise ExportError(f"--precision int8: the graph has no {weight}; this student cannot be quantised")


def _behind(node: Any, takers: dict[str, list[Any]]) -> list[Any]:
    found: list[Any] = []
    waiting = [node]
    while waiting:
        for name in waiting.pop().output:
            fresh = [taker for taker in takers.get(name, ()) if taker not in found]
            found += fresh
            waiting += fresh
    return found


def _before(node: Any, made: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    waiting = [node]
    while waiting:
        for name in waiting.pop().input:
            if name in made and made[name] not in found:
                found.append(made[name])
                waiting.append(made[name])
    return found
