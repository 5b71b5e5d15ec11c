"""An exported file as a model: opened by its name, fed as it says of itself. No torch for what needs none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from disdepth_cli.config.types import Backend, ExportFormat
from disdepth_cli.depth.depth import Depth
from disdepth_cli.errors import ConfigError, DataError, ExportError
from disdepth_cli.exporting.format_table import module_of, open_session
from disdepth_cli.exporting.formats.openvino_file import MODEL, OpenVinoSession
from disdepth_cli.exporting.formats.session import Session
from disdepth_cli.exporting.metadata import ExportMetadata
from disdepth_cli.predictor import Predictor
from disdepth_cli.working_size import WorkingSize

if TYPE_CHECKING:
    import torch

    from disdepth_cli.types import ViewOrigin


@dataclass(frozen=True)
class AnySize(WorkingSize):
    """Images are left as they are: the graph brings them to size itself."""

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        return height, width

    def padded(self, height: int, width: int) -> tuple[int, int]:
        return height, width


class ExportedPredictor(Predictor):
    """A written file in its runtime, on the CPU. Threads take turns: a session holds the outputs of its last images."""

    def __init__(self, session: Session, about: ExportMetadata, name: str) -> None:
        """name: of the file, for errors."""
        self.session, self.about, self.name = session, about, name
        rule = about.rule()
        self.working_size = AnySize(rule.height, rule.width) if about.input == "image" else rule
        self.kind, self.max_depth = about.output_kind, about.max_depth
        self.precision, self.parameters = session.precision, about.parameters
        self._turn = Lock()

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The CPU."""
        import torch  # only what runs beside PyTorch asks

        return torch.device("cpu")

    def predict_several(self, images: Sequence[np.ndarray]) -> list[Depth]:
        """As `Predictor.predict_several`, for one thread at a time."""
        with self._turn:
            return super().predict_several(images)

    def predict(self, image: np.ndarray, flip: bool = False, origin: ViewOrigin | None = None) -> np.ndarray:
        """image (H, W, 3) uint8 RGB -> depth (H, W) float32.

        Raises:
            DataError: the file takes images of another size.
        """
        if self.about.input == "tensor" or flip:
            return super().predict(image, flip)
        return self._of_image(image)

    def depth_of(self, pixels: np.ndarray, origin: ViewOrigin | None = None) -> np.ndarray:
        """pixels (1, 3, h, w) float32 in [0, 1] -> depth (1, h, w).

        Raises:
            DataError: the file takes another size.
        """
        if self.about.input == "image":
            return self._of_image(np.rint(pixels[0].transpose(1, 2, 0) * 255).astype(np.uint8))[None]
        if self.about.size not in (None, pixels.shape[2:]):
            self._refuse("becomes", pixels.shape[2:])
        return self._run(pixels)

    def _of_image(self, image: np.ndarray) -> np.ndarray:
        if image.shape[:2] != self.about.size:
            self._refuse("is", image.shape[:2])
        return self._run(np.ascontiguousarray(image)[None])[0]

    def _run(self, tensor: np.ndarray) -> np.ndarray:
        depth = self.session.run(tensor)
        self.unlike = self.session.unlike
        return depth

    def _refuse(self, verb: str, size: tuple[int, ...]) -> None:
        rows, columns = self.about.size or (0, 0)
        what = "images" if self.about.input == "image" else "tensors"
        raise DataError(
            f"{self.name}: takes {what} of {rows}x{columns} only, and this image {verb} {size[0]}x{size[1]}; export "
            f"with its size as --source, or with --input tensor --dynamic all for any size"
        )


def is_exported(name: str) -> bool:
    """Whether a MODEL is an exported file or folder, by its name and what is there."""
    return exported_format(_inside(Path(name))) is not None


def _inside(path: Path) -> Path:
    """What an export's folder holds; other paths are themselves, an OpenVINO folder's student.xml is its folder."""
    if path.name == MODEL:
        return path.parent
    try:
        return path / json.loads((path / "export.json").read_text(encoding="utf-8"))["file"]
    except (OSError, ValueError, KeyError, TypeError):
        return path


def exported_format(path: Path) -> ExportFormat | None:
    """The format of an exported file or folder that may be a MODEL."""
    if path.suffix == ".onnx":
        return "onnx"
    if path.suffix == ".pt2":
        return "torch"
    return "openvino" if (path / MODEL).is_file() else None


def exported_about(name: str) -> tuple[Path, ExportMetadata]:
    """Where an exported MODEL lies, and what it says of itself; no runtime is needed.

    Raises:
        ExportError: it is missing, damaged or not ours.
        ConfigError: it is no exported student.
    """
    path = _inside(Path(name))
    written = exported_format(path)
    if written is None:
        raise ConfigError(f"{name}: is no exported student; give an .onnx, a .pt2 or an OpenVINO folder")
    if not path.exists():
        raise ExportError(f"{name}: no such file; `disdepth export` writes one")
    return path, module_of(written).read_metadata(path)


def open_exported(name: str, backend: Backend = "auto", threads: int | None = None) -> ExportedPredictor:
    """Open an exported file as a model. backend: `openvino` for an ONNX file; `auto` is the format's own runtime.

    Raises:
        ExportError: it is missing, damaged or not ours, or its runtime is not installed.
        ConfigError: the backend cannot run it.
    """
    path, about = exported_about(name)
    written = about.format
    if backend not in ("auto", written, "openvino") or (backend == "openvino" and written == "torch"):
        takes = "onnx or openvino" if written == "onnx" else written
        raise ConfigError(f"--backend {backend}: {name} runs with {takes}")
    if backend == "openvino":
        return ExportedPredictor(OpenVinoSession(path, threads), about, name)
    session = open_session(written, path, threads)
    assert session is not None
    return ExportedPredictor(session, about, name)
