"""The student: backbone, LG-Conv, decoder, heads; how it looks at an image, and how it is built again from a file."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import disdepth_cli
from disdepth_cli.checkpoint.locate import student_file
from disdepth_cli.checkpoint.metadata import CheckpointMetadata, StudentArchitecture, load_strictly, read_metadata
from disdepth_cli.config.types import Precision
from disdepth_cli.data.files.any_image import ImageLike
from disdepth_cli.depth.depth import Depth
from disdepth_cli.errors import CheckpointError, DataError
from disdepth_cli.machine.devices import pick_device, student_precision
from disdepth_cli.models.decoder import DepthDecoder
from disdepth_cli.models.encoder import REDUCTIONS, BackboneStart, Encoder, build_encoder, timm_name
from disdepth_cli.models.folding import without_norms
from disdepth_cli.models.lg_conv import insert_lg_convs
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.seen_images import SeenImages
from disdepth_cli.types import DepthOutput

__all__ = ["DepthStudent", "StudentArchitecture", "build_student", "load_checkpoint", "load_student", "timm_name"]


class DepthStudent(nn.Module):
    """A small CNN that gives the depth of one image: `predict` for images, the raw call for training.

    `load_student` and `DepthStudent.from_pretrained` make one from a file. As a `torch.nn.Module`, image (B, 3, H, W)
    RGB in [0, 1] -> `DepthOutput`, whose depth is (B, 1, H, W). That call takes the image as it is: distances are right
    only at the working size that the student was trained at.

    Attributes:
        architecture: backbone, range, working size and kind of the numbers: metres, or relative disparity in 0 to 1.

    Example:
        >>> from disdepth_cli import DepthStudent
        >>> student = DepthStudent.from_pretrained("bundled")
        >>> student.predict("image.png")
        Depth(64x96, metric_depth, ... metres)
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        architecture: StudentArchitecture,
        encoder: Encoder,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = encoder
        self.decoder = DepthDecoder(
            encoder.spec,
            architecture.decoder_channels,
            architecture.bins,
            architecture.min_depth,
            architecture.max_depth,
        )
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.warned = False
        self.seen: SeenImages | None = None
        self._folded: tuple[list[tuple[int, int]], DepthStudent] | None = None

    @classmethod
    def from_pretrained(cls, name: Path | str, *, revision: str | None = None, offline: bool = False) -> DepthStudent:
        """The student of a file, a run folder, `bundled` or a repository on the Hub; see `load_student`.

        Args:
            name: as `path` of `load_student`.
            revision: commit, tag or branch on the Hub.
            offline: never ask the network; the Hub's cache will do.

        Returns:
            The student on the CPU in float32, in evaluation mode.

        Raises:
            CheckpointError: as in `load_student`.
        """
        return load_student(name, revision=revision, offline=offline)

    def predict(self, image: ImageLike, *, device: str | None = None, precision: Precision = "auto") -> Depth:
        """The depth of an image of any size, by the path of `disdepth predict` and `disdepth evaluate`.

        Args:
            image: a path, the bytes of an image file, a PIL image, or an array (H, W, 3) of uint8 RGB; grey (H, W) and
                RGBA will do.
            device: `cpu`, `cuda`, `cuda:0`, `mps`, or `auto`: the student is moved there. Default: where it is.
            precision: `fp32`, `bf16`, `fp16`, or `auto`: bf16 on CUDA, else fp32.

        Returns:
            The depth at the image's own size: (H, W) float32 in `values`.

        Raises:
            DataError: the image cannot be read, or is no image.
            ConfigError: there is no such device here, or it cannot have that precision.

        Example:
            >>> import numpy as np
            >>> from disdepth_cli import load_student
            >>> student = load_student("bundled")
            >>> depth = student.predict(np.zeros((48, 64, 3), np.uint8))
            >>> depth.values.shape, depth.unit, depth.max_depth
            ((48, 64), 'metres', 10.0)
        """
        with self._predicting(device, precision) as predictor:
            return predictor.predict_depth(image)

    def predict_batch(
        self, images: Iterable[ImageLike], *, device: str | None = None, precision: Precision = "auto"
    ) -> list[Depth]:
        """The depth of many images, one after the other: sizes may differ, and each result is what `predict` gives.

        Args:
            images: as `predict` takes them; a generator keeps one in memory at a time.
            device: as in `predict`.
            precision: as in `predict`.

        Returns:
            One depth an image, in the images' order.

        Raises:
            DataError: an image cannot be read, or is none; the message names it.
            ConfigError: as in `predict`.

        Example:
            >>> from disdepth_cli import load_student
            >>> [depth.values.shape for depth in load_student("bundled").predict_batch(["image.png", "image.png"])]
            [(64, 96), (64, 96)]
        """
        if isinstance(images, str | Path | bytes):
            raise DataError("predict_batch takes several images, such as a list of paths; for one image: predict")
        depths = []
        with self._predicting(device, precision) as predictor:
            for index, image in enumerate(images):
                try:
                    depths.append(predictor.predict_depth(image))
                except DataError as error:
                    raise DataError(f"image {index} of the batch: {error}") from None
        return depths

    @contextmanager
    def _predicting(self, device: str | None, precision: Precision) -> Iterator[DepthPredictor]:
        """The predictor of this student, which is in evaluation mode only as long."""
        modes = [(module, module.training) for module in self.modules()] if self.training else []
        try:
            yield self.predictor(device, precision)
        finally:
            for module, training in modes:
                module.training = training

    def predictor(self, device: str | None = None, precision: Precision = "auto") -> DepthPredictor:
        """The student, in evaluation mode, with all that belongs to running it: what every command predicts by.

        Raises:
            ConfigError: there is no such device here, or it cannot have that precision.
        """
        chosen = self.mean.device if device is None else pick_device(device)
        self.to(chosen)
        own = self.architecture
        return DepthPredictor(
            self._for_prediction(),
            own.working_size,
            own.output_kind,
            own.max_depth,
            chosen,
            student_precision(precision, chosen),
            own.min_depth,
            parameters=sum(parameter.numel() for parameter in self.parameters()),
            seen=self.seen,
        )

    def _for_prediction(self) -> DepthStudent:
        """A copy with its norms folded into convolutions, made anew when a weight has changed."""
        tensors = (*self.parameters(), *self.buffers())
        if any(tensor.is_inference() for tensor in tensors):  # PyTorch does not count their changes
            return without_norms(self)
        state = [(tensor.data_ptr(), tensor._version) for tensor in tensors]
        if self._folded is None or self._folded[0] != state:
            self._folded = None  # not to be copied along
            self._folded = (state, without_norms(self))
        return self._folded[1]

    def forward(self, image: Tensor) -> DepthOutput:
        """image (B, 3, H, W) RGB in [0, 1], H and W multiples of 32 -> depth (B, 1, H, W) and features.

        In evaluation mode a size that the student does not work at is warned of, once.

        Raises:
            ValueError: another size; the message names the right one.
        """
        height, width = image.shape[-2:]
        stride = REDUCTIONS[-1]
        if height % stride or width % stride:
            right = (-(-height // stride) * stride, -(-width // stride) * stride)
            raise ValueError(
                f"the image is {height}x{width}; both sides must be multiples of {stride}: pad it to "
                f"{right[0]}x{right[1]}, or give the image to `predict`, which takes any size"
            )
        if not (self.training or self.warned or torch.compiler.is_compiling() or torch.jit.is_tracing()):
            self._check_size(height, width)
        features = self.encoder((image - self.mean) / self.std)
        decoded = self.decoder(features)
        depth = F.interpolate(decoded.depth, size=(height, width), mode="bilinear", align_corners=False)
        return DepthOutput(depth=depth, features=features, decoder=decoded)

    def _check_size(self, height: int, width: int) -> None:
        size = self.architecture.working_size
        if size.gives(height, width):
            return
        self.warned = True
        rows, columns = size.padded(size.height, size.width)
        warnings.warn(
            f"this student works at {size.height}x{size.width} (an input of {rows}x{columns}), but the image is "
            f"{height}x{width}: its distances will be wrong; student.predict(image) brings any image to size",
            stacklevel=5,  # past torch.nn.Module's two frames
        )

    def describe(self, kind: Literal["student", "acclimated"], **more: Any) -> CheckpointMetadata:
        """What a checkpoint says of this student, or of an acclimation made for it; `more` are further fields."""
        return CheckpointMetadata(
            kind=kind,
            **asdict(self.architecture),
            mean=tuple(self.mean.flatten().tolist()),
            std=tuple(self.std.flatten().tolist()),
            student_channels=self.encoder.spec.channels,
            versions={"disdepth": disdepth_cli.__version__, "timm": version("timm")},
            **more,
        )


def build_student(architecture: StudentArchitecture, start: BackboneStart | None = None) -> DepthStudent:
    """Build a student; `start` says what the backbone starts from (random when None).

    Raises:
        StudentError: the backbone or its weights cannot be had.
    """
    encoder, data = build_encoder(architecture.backbone, start or BackboneStart())
    insert_lg_convs(encoder, architecture.lg_conv)
    return DepthStudent(architecture, encoder, tuple(data["mean"]), tuple(data["std"]))


def load_checkpoint(
    path: Path | str, revision: str | None = None, offline: bool = False
) -> tuple[DepthStudent, CheckpointMetadata]:
    """A student, built again from the file alone, in eval mode and float32, with its metadata.

    path, revision, offline: as `student_file` takes them.

    Raises:
        CheckpointError: missing, truncated, foreign, not a student, or not to be had from the Hub.
    """
    path = student_file(path, revision, offline)
    metadata = read_metadata(path)
    if metadata.kind != "student":
        raise CheckpointError(f"{path}: holds an {metadata.kind} teacher; give a student.safetensors")
    student = build_student(metadata.architecture())
    student.mean.copy_(torch.tensor(metadata.mean).view_as(student.mean))
    student.std.copy_(torch.tensor(metadata.std).view_as(student.std))
    load_strictly(student, path, metadata)
    student.seen = metadata.seen
    return student.eval(), metadata


def load_student(path: Path | str, *, revision: str | None = None, offline: bool = False) -> DepthStudent:
    """A student, ready to predict.

    Args:
        path: a `student.safetensors`, a run folder that holds one, `bundled` (the student that ships with the
            package), or OWNER/NAME on the Hub. What exists here wins over the Hub.
        revision: commit, tag or branch on the Hub.
        offline: never ask the network; the Hub's cache will do.

    Returns:
        The student on the CPU in float32, in evaluation mode.

    Raises:
        CheckpointError: missing, truncated, foreign, not a student, or not to be had from the Hub.

    Example:
        >>> from disdepth_cli import load_student
        >>> depth = load_student("bundled").predict("image.png")
        >>> depth.values.shape, str(depth.values.dtype), depth.unit
        ((64, 96), 'float32', 'metres')
    """
    return load_checkpoint(path, revision, offline)[0]
