"""Core ML: iPhones and Macs. It is written here, but runs on Apple's machines only: `unchecked`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from disdepth_cli.exporting.formats.quiet import quiet
from disdepth_cli.exporting.formats.session import tool
from disdepth_cli.exporting.metadata import DEPTH, IMAGE, KEY

if TYPE_CHECKING:
    from disdepth_cli.exporting.student_graph import Graph


def write(graph: Graph, package: Path, inputs: Sequence[np.ndarray] = ()) -> None:
    """Write an .mlpackage for iOS 16 and macOS 13 or later: an image in, float32 numbers out.

    Raises:
        ExportError: coremltools is missing.
    """
    tools: Any = tool("coremltools", "--format coreml")
    import torch

    whole = graph.about.input == "image"
    module = _FromPlanes(graph.module) if whole else graph.module
    example = graph.example.permute(0, 3, 1, 2).float() if whole else graph.example
    shape = tuple(example.shape)
    given = (
        tools.ImageType(name=IMAGE, shape=shape, color_layout=tools.colorlayout.RGB)
        if whole
        else tools.TensorType(name=IMAGE, shape=shape, dtype=np.float32)
    )
    with quiet():
        model = tools.convert(
            torch.jit.trace(module, example, check_trace=False),
            inputs=[given],
            outputs=[tools.TensorType(name=DEPTH, dtype=np.float32)],
            compute_precision=tools.precision.FLOAT32,
            minimum_deployment_target=tools.target.iOS16,
            convert_to="mlprogram",
        )
        model.short_description = f"Depth of an image: {graph.about.unit}"
        model.user_defined_metadata[KEY] = graph.about.model_dump_json()
        model.save(str(package))


class _FromPlanes(nn.Module):
    """Core ML gives an image as (1, 3, H, W) float32, 0 to 255."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, image: Tensor) -> Tensor:
        return self.module(image.permute(0, 2, 3, 1))
