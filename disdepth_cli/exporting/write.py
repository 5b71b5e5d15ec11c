"""A student's file becomes a file for another runtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

import disdepth_cli
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.errors import DisdepthError, ExportError, one_line
from disdepth_cli.exporting.calibration import Samples, as_inputs
from disdepth_cli.exporting.format_table import module_of, tool_versions
from disdepth_cli.exporting.metadata import ExportMetadata, Wanted, describe_export, sha256_of
from disdepth_cli.exporting.student_graph import build_graph
from disdepth_cli.models.student import DepthStudent

NOTHING = Samples([], [])


@contextmanager
def worded(name: str) -> Iterator[None]:
    """What an exporter raises at a layer that it does not know, which may be anything, in words; ours pass as they are.

    Raises:
        ExportError: `name` cannot be exported.
    """
    try:
        yield
    except DisdepthError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise ExportError(f"{name}: cannot be exported to ONNX ({reason})") from error


def describe_student(file: Path, wanted: Wanted, parameters: int, samples: Samples = NOTHING) -> ExportMetadata:
    """What an export of the checkpoint `file` as `wanted` says of itself.

    Raises:
        CheckpointError: the file is missing, damaged or foreign.
    """
    versions = {"disdepth": disdepth_cli.__version__, "torch": torch.__version__}
    return describe_export(
        read_metadata(file),
        wanted,
        parameters=parameters,
        checkpoint_sha256=sha256_of(file),
        calibration=samples.record() if wanted.precision == "int8" else None,
        versions=versions | tool_versions(wanted.format, wanted.precision),
    )


def write_student(student: nn.Module, about: ExportMetadata, path: Path, samples: Samples = NOTHING) -> None:
    """Write a student that was opened for prediction to `path`, a file or folder, as `about` says.

    Raises:
        ExportError: a tool is missing, or cannot convert this student.
    """
    assert isinstance(student, DepthStudent)
    inputs = as_inputs(samples.calibration, about) if about.precision == "int8" else []
    module_of(about.format).write(build_graph(student, about), path, inputs)
