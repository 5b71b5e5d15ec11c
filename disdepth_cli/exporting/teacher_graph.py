"""A teacher as an ONNX file, so that it can be timed in the runtime in which its student is."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

import disdepth_cli
from disdepth_cli.config.types import KIND_UNITS
from disdepth_cli.exporting.cached import cached_onnx
from disdepth_cli.exporting.format_table import require_tools, tool_versions
from disdepth_cli.exporting.formats import onnx_file
from disdepth_cli.exporting.metadata import ExportMetadata
from disdepth_cli.exporting.student_graph import Graph
from disdepth_cli.exporting.write import worded
from disdepth_cli.files import write_atomic
from disdepth_cli.teachers.teacher import DepthTeacher


class _TeacherDepth(nn.Module):
    """image (B, 3, h, w) float32 RGB in [0, 1] -> depth (B, h, w)."""

    def __init__(self, teacher: DepthTeacher) -> None:
        super().__init__()
        self.teacher = teacher

    def forward(self, image: Tensor) -> Tensor:
        return self.teacher(image).depth[:, 0]


def teacher_file(teacher: DepthTeacher, source: tuple[int, int]) -> Path:
    """The teacher's own depth as ONNX, for images of the source's size at its own working size; written into the cache
    where it is not there.

    Raises:
        ExportError: onnx or onnxscript is missing, or this network cannot be exported.
    """
    contract = teacher.contract
    size = contract.working_size.padded(*source)
    path = cached_onnx(f"teacher-{contract.fingerprint}-{source[0]}x{source[1]}")
    if path.is_file():
        return path
    require_tools("onnx", "fp32")
    graph = Graph(_TeacherDepth(teacher).eval(), torch.zeros(1, 3, *size), _described(teacher, source))
    with worded(contract.id):
        write_atomic(path, lambda temporary: onnx_file.write(graph, temporary))
    return path


def _described(teacher: DepthTeacher, source: tuple[int, int]) -> ExportMetadata:
    contract = teacher.contract
    assert contract.kind != "none"
    return ExportMetadata(
        format="onnx", precision="fp32", float_parts=["all"], output_kind=contract.kind, unit=KIND_UNITS[contract.kind],
        min_depth=0.0, max_depth=contract.max_depth or 1.0, input="tensor", size=contract.working_size.padded(*source),
        source=source, dynamic="none", layout="NCHW", dtype="float32", value_range=(0, 1), mean=contract.mean,
        std=contract.std, working_size=vars(contract.working_size),
        padding="edge" if contract.working_size.pad else "none", backbone=contract.model_type, lg_conv="none",
        parameters=contract.parameters, licence=contract.licence or "unknown", checkpoint_sha256=contract.fingerprint,
        versions={"disdepth": disdepth_cli.__version__, "torch": torch.__version__, **tool_versions("onnx", "fp32")},
    )  # fmt: skip
