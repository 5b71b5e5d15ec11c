"""One interface for every teacher: what its numbers mean (the contract) and how it is looked at (the module)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from disdepth_cli.teachers.contract import TeacherContract
from disdepth_cli.types import DepthOutput, FeatureMaps


class TeacherNetwork(nn.Module):
    """A model of either family behind one call; what `DepthTeacher` wraps."""

    def forward(self, pixels: Tensor) -> tuple[Tensor | None, FeatureMaps]:
        """Normalised pixels (B, 3, h, w) -> output (B, 1, h', w') or None, and features (B, C_i, h_i, w_i)."""
        raise NotImplementedError

    def finish(self, output: Tensor, size: tuple[int, int]) -> Tensor:
        """Output (B, 1, h', w') float32 -> depth (B, 1, *size) in the contract's kind and unit."""
        return resize_output(output, size, "bilinear")


class DepthTeacher(nn.Module):
    """image (B, 3, H, W) RGB in [0, 1] -> `DepthOutput`: depth (B, 1, H, W) float32 or None, features (B, C, h, w).

    Any H and W will do: the view is resized to the teacher's multiple, and its depth back to (H, W). The depth is in
    the contract's kind and unit, and is not cleaned: non-finite values are the caller's affair.
    """

    network: TeacherNetwork

    def __init__(self, network: TeacherNetwork, contract: TeacherContract) -> None:
        super().__init__()
        self.network = network
        self.contract = contract
        self.frozen = False
        self.learns = False  # set by tuning.unfreeze: some weights get gradients
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(contract.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(contract.std).view(1, 3, 1, 1), persistent=False)

    def freeze(self) -> DepthTeacher:
        """Evaluation mode for good (dropout and BatchNorm's buffers stand still), and no gradient to any weight."""
        self.requires_grad_(False)
        self.frozen, self.learns = True, False
        return self.eval()

    def train(self, mode: bool = True) -> DepthTeacher:
        """As `nn.Module.train`, except that a frozen teacher, or one that is tuned, stays in evaluation mode."""
        super().train(mode and not self.frozen and not self.learns)
        return self

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Size (height, width) [pixels] at which the network looks at a view of the given size."""
        if self.contract.fixed_size is not None:
            return self.contract.fixed_size
        return (
            nearest_multiple(height, self.contract.size_multiple),
            nearest_multiple(width, self.contract.size_multiple),
        )

    def forward(self, image: Tensor) -> DepthOutput:
        view = (image.shape[-2], image.shape[-1])
        pixels = (resize_view(image.float(), self.input_size(*view)) - self.mean) / self.std
        output, features = self.network(pixels)
        if output is None:
            return DepthOutput(depth=None, features=features)
        return DepthOutput(depth=self.network.finish(output.float(), view), features=features)


def nearest_multiple(value: int, multiple: int) -> int:
    """The multiple nearest to `value`, at least one of them."""
    return max(round(value / multiple), 1) * multiple


def resize_output(output: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Output (B, 1, h, w) -> (B, 1, *size), as it stands where it has that size."""
    if (output.shape[-2], output.shape[-1]) == size:
        return output
    return F.interpolate(output, size=size, mode=mode, align_corners=False)


def resize_view(image: Tensor, size: tuple[int, int]) -> Tensor:
    """RGB (B, 3, H, W) in [0, 1] -> (B, 3, *size).

    Bicubic, as the teachers' own image processors do; without aliasing where it shrinks. Stays in [0, 1].
    """
    if (image.shape[-2], image.shape[-1]) == size:
        return image
    shrinks = size[0] < image.shape[-2] or size[1] < image.shape[-1]
    return F.interpolate(image, size=size, mode="bicubic", align_corners=False, antialias=shrinks).clamp(0.0, 1.0)
