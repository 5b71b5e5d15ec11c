"""PyTorch's own exported program, `.pt2`: for servers, and as the way to ExecuTorch and AOTInductor."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from disdepth_cli.errors import ExportError, first_line
from disdepth_cli.exporting.formats.quiet import quiet
from disdepth_cli.exporting.formats.session import Session
from disdepth_cli.exporting.metadata import KEY, ExportMetadata

if TYPE_CHECKING:
    from disdepth_cli.exporting.student_graph import Graph

RUN = """
import torch

program = torch.export.load(HERE / MODEL).module()


def run(tensor):
    with torch.inference_mode():
        return program(torch.from_numpy(np.ascontiguousarray(tensor))).numpy()
"""
_KNOWN = re.compile(
    r"data/(weights/(weight_\d+|model_weights_config\.json)|constants/(tensor_\d+|model_constants_config\.json))"
    r"|data/sample_inputs/model\.pt|models/model\.json|archive_(format|version)|byteorder|\.data/\w+|extra/" + KEY
)
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")


def write(graph: Graph, path: Path, inputs: Sequence[np.ndarray] = ()) -> None:
    """Write the graph with its weights."""
    import torch

    with quiet():
        program = torch.export.export(graph.module, (graph.example,), dynamic_shapes=graph.free_sides())
        torch.export.save(program, path, extra_files={KEY: graph.about.model_dump_json()})


class TorchSession(Session):
    """A program in PyTorch, on the CPU."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """threads: default: PyTorch's own.

        Raises:
            ExportError: the file is damaged, or not one of ours.
        """
        import torch

        about = read_metadata(path)
        _refuse_pickles(path)
        if threads:
            torch.set_num_threads(threads)
        with quiet():
            self._module = torch.export.load(path).module()
        self.runtime, self.precision = f"PyTorch {torch.__version__}", about.precision

    def run(self, image: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._module(torch.from_numpy(np.ascontiguousarray(image))).numpy()


def read_metadata(path: Path) -> ExportMetadata:
    """What a `.pt2` says of itself.

    Raises:
        ExportError: it is damaged, or not one of ours.
    """
    members = _members(path)
    if f"extra/{KEY}" not in members:
        raise ExportError(f"{path}: was not written by `disdepth export`, so nothing says what it takes")
    try:
        return ExportMetadata.model_validate_json(members[f"extra/{KEY}"])
    except ValueError as error:
        raise ExportError(f"{path}: is damaged ({first_line(error)}); export it again") from None


def _refuse_pickles(path: Path) -> None:
    """torch.export.load would unpickle whatever it finds: nothing but plain tensors may be there.

    Raises:
        ExportError: there is more.
    """
    import torch

    members = _members(path)
    odd = [name for name in members if not _KNOWN.fullmatch(name)]
    try:
        for config in _CONFIGS:
            entries = json.loads(members[config])["config"].values()
            odd += [entry["path_name"] for entry in entries if entry["use_pickle"]]
        torch.load(io.BytesIO(members["data/sample_inputs/model.pt"]), weights_only=True)
    except Exception as error:  # unpickling raises anything
        raise ExportError(
            f"{path}: is no .pt2 of plain tensors ({error.__class__.__name__}); export it again"
        ) from None
    if odd:
        raise ExportError(f"{path}: holds {odd[0]}, which a student's .pt2 does not have; it is not loaded")


def _members(path: Path) -> dict[str, bytes]:
    """Name below the archive's first folder to content; of weights and constants their names alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2]: name for name in archive.namelist()}
            small = {name: full for name, full in names.items() if not re.search(r"/(weight|tensor)_\d+$", full)}
            return dict.fromkeys(names, b"") | {name: archive.read(full) for name, full in small.items()}
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror})") from None
    except zipfile.BadZipFile:
        raise ExportError(f"{path}: is no .pt2 file, or its end is missing; export it again") from None
