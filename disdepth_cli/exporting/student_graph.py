"""The student as a network for other runtimes: norms folded, constant paddings, resizing inside; exact."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.nn import functional as F

from disdepth_cli.exporting.metadata import IMAGE, ExportMetadata
from disdepth_cli.exporting.resizing import resize_layer
from disdepth_cli.models.folding import without_norms
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.seen_images import LEVEL, SeenImages
from disdepth_cli.types import FeatureMaps
from disdepth_cli.working_size import WorkingSize

Outputs = Tensor | tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Graph:
    """What a format's writer is given.

    module: one tensor -> depth (B, H, W), and where `about` says so how unlike the training images they are, (B,).
    example: an input of it.
    """

    module: nn.Module
    example: Tensor
    about: ExportMetadata

    def free_sides(self) -> dict[str, dict[int, Any]] | None:
        """Which sides of the input are free, for torch.export.

        `32 * rows` keeps the student's check of its sides provable.
        """
        if self.about.dynamic == "none":
            return None
        free: dict[int, Any] = {0: Dim("batch", min=1)}
        if self.about.dynamic == "all":
            multiple = self.about.working_size["multiple"]
            free |= {2: multiple * Dim("rows", min=1, max=128), 3: multiple * Dim("columns", min=1, max=128)}
        return {IMAGE: free}


class Unlike(nn.Module):
    """Features of B images -> (B,) float32: `SeenImages.unlike` in the graph."""

    mean: Tensor
    inverse: Tensor

    def __init__(self, seen: SeenImages) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(seen.mean))
        self.register_buffer("inverse", 1 / (torch.tensor(seen.std) * seen.usual))

    def forward(self, features: FeatureMaps) -> Tensor:
        means = features[LEVEL].float().mean((2, 3))
        return ((means - self.mean) * self.inverse).square().mean(1).sqrt()


class TensorDepth(nn.Module):
    """image (B, 3, h, w) float32 RGB in [0, 1] of the network's input size -> depth (B, h, w) float32.

    seen: of the training images; with it, how unlike them the images are is a second output, (B,) float32.
    """

    def __init__(self, student: DepthStudent, seen: SeenImages | None) -> None:
        super().__init__()
        self.student = student
        self.unlike = Unlike(seen) if seen else None

    def forward(self, image: Tensor) -> Outputs:
        output = self.student(image)
        depth = output.depth[:, 0]
        return depth if self.unlike is None else (depth, self.unlike(output.features))


class ImageDepth(nn.Module):
    """image (B, H, W, 3) uint8 RGB of one size -> depth (B, H, W) float32: what `predict` does, in the graph.

    seen: as in `TensorDepth`.
    """

    def __init__(
        self, student: DepthStudent, source: tuple[int, int], size: WorkingSize, seen: SeenImages | None
    ) -> None:
        super().__init__()
        self.student = student
        self.unlike = Unlike(seen) if seen else None
        self.source, self.scaled, padded = source, size.scaled(*source), size.padded(*source)
        self.resize = resize_layer(source, self.scaled)
        self.top, self.left = (padded[0] - self.scaled[0]) // 2, (padded[1] - self.scaled[1]) // 2
        below, right = padded[0] - self.scaled[0] - self.top, padded[1] - self.scaled[1] - self.left
        self.borders = (self.left, right, self.top, below)

    def forward(self, image: Tensor) -> Outputs:
        levels = self.resize(image) / 255
        if any(self.borders):
            levels = F.pad(levels, self.borders, mode="replicate")
        output = self.student(levels)
        depth = output.depth[..., self.top : self.top + self.scaled[0], self.left : self.left + self.scaled[1]]
        if self.scaled != self.source:
            depth = F.interpolate(depth, size=self.source, mode="bilinear", align_corners=False)
        return depth[:, 0] if self.unlike is None else (depth[:, 0], self.unlike(output.features))


def build_graph(student: DepthStudent, about: ExportMetadata) -> Graph:
    """The student's graph for the input, size and precision that `about` asks for; int8 starts from float32."""
    copied = copy.deepcopy(student).cpu().to(memory_format=torch.contiguous_format).eval()
    plain = with_static_pads(without_norms(copied))
    layers: Any = plain.modules()
    for layer in layers:
        if getattr(layer, "inplace", False):
            layer.inplace = False  # the exporters take such layers apart, which costs them seconds
    if about.precision == "fp16":
        plain.encoder = _Half(plain.encoder)  # type: ignore[assignment]
        plain.decoder.half()
    seen = student.seen if about.unlike else None
    batch = 1 if about.dynamic == "none" else 2  # an example of 1 would make the batch a constant
    if about.input == "image":
        module: nn.Module = ImageDepth(plain, about.source, about.rule(), seen)
        example = torch.zeros(batch, *about.source, 3, dtype=torch.uint8)
    else:
        module = TensorDepth(plain, seen)
        example = torch.zeros(batch, 3, *(about.size or about.rule().padded(*about.source)))
    return Graph(module.eval().requires_grad_(False), example, about)


class _Half(nn.Module):
    """An encoder in float16 behind an input in float32."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder.half()

    def forward(self, image: Tensor) -> FeatureMaps:
        return self.encoder(image.half())


def with_static_pads(model: DepthStudent) -> DepthStudent:
    """TensorFlow's `same` padding as a constant, in place: a student's sides are multiples of 32, so it is always
    kernel - stride, the larger half on the right."""
    from timm.layers.conv2d_same import Conv2dSame

    for name, module in list(model.named_modules()):
        if isinstance(module, Conv2dSame):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, _static(module))
    return model


def _static(conv: nn.Conv2d) -> nn.Module:
    (height, width), (down, right) = conv.kernel_size, conv.stride
    reach = [(side - 1) * spread + 1 for side, spread in zip((height, width), conv.dilation, strict=True)]
    low, wide = max(reach[0] - down, 0), max(reach[1] - right, 0)
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        kernel_size=(height, width),
        stride=(down, right),
        dilation=(conv.dilation[0], conv.dilation[1]),
        groups=conv.groups,
        bias=conv.bias is not None,
    )
    plain.weight, plain.bias = conv.weight, conv.bias
    if low % 2 == 0 and wide % 2 == 0:
        plain.padding = (low // 2, wide // 2)
        return plain
    return nn.Sequential(nn.ZeroPad2d((wide // 2, wide - wide // 2, low // 2, low - low // 2)), plain)
