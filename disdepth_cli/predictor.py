"""One code path from an image of any size to its depth, for validation, evaluate and predict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from disdepth_cli.config.types import OutputKind, Precision
from disdepth_cli.working_size import Placement, WorkingSize, fit, restore, to_pixels

if TYPE_CHECKING:  # a file for another runtime predicts without torch
    import torch
    from torch import Tensor, nn

    from disdepth_cli.types import DepthOutput


class Predictor(ABC):
    """Something that predicts depth, and how images are brought to it.

    kind says what its numbers mean: metres, or disparity or depth up to scale and shift, at most max_depth. precision
    is what it computes in, parameters how many it was trained with.
    """

    working_size: WorkingSize
    kind: OutputKind
    max_depth: float
    precision: str
    parameters: int

    @abstractmethod
    def depth_of(self, pixels: np.ndarray) -> np.ndarray:
        """pixels (1, 3, h, w) float32 RGB in [0, 1] of the network's input size -> depth (h, w) float32."""

    def predict_unrestored(self, image: Tensor | np.ndarray, flip: bool = False) -> np.ndarray:
        """image (1, 3, h, w) of the network's input size -> depth (h, w) float32 of that size.

        flip: the mean with the flipped image's flipped depth (test-time augmentation).
        """
        pixels = np.asarray(image)
        depth = self.depth_of(pixels)
        if flip:
            depth = (depth + self.depth_of(np.ascontiguousarray(pixels[..., ::-1]))[..., ::-1]) / 2
        return depth

    def predict_fitted(self, image: Tensor | np.ndarray, placement: Placement, flip: bool = False) -> np.ndarray:
        """image (1, 3, h, w) brought to size by `fit` -> depth (H, W) float32 of the original image's size.

        flip: as in `predict_unrestored`.
        """
        return restore(self.predict_unrestored(image, flip), placement)

    def predict(self, image: np.ndarray, flip: bool = False) -> np.ndarray:
        """image (H, W, 3) uint8 RGB -> depth (H, W) float32."""
        fitted, placement = fit(image, self.working_size)
        return self.predict_fitted(to_pixels(fitted), placement, flip)


@dataclass
class DepthPredictor(Predictor):
    """A model in PyTorch with everything that belongs to running it.

    model: image (B, 3, H, W) RGB in [0, 1] -> DepthOutput. precision is resolved, not `auto`. parameters: how many the
    model was trained with, where folding has made them fewer; by default they are counted.
    """

    model: nn.Module
    working_size: WorkingSize
    kind: OutputKind
    max_depth: float
    device: torch.device
    precision: Precision
    parameters: int = 0

    def __post_init__(self) -> None:
        from disdepth_cli.machine.devices import channels_last

        self.parameters = self.parameters or sum(parameter.numel() for parameter in self.model.parameters())
        self.model = channels_last(self.model.to(self.device)).eval()

    def run(self, image: Tensor) -> Tensor:
        """image (B, 3, h, w) of the network's input size -> depth (B, 1, h, w) float32 on the CPU."""
        import torch

        from disdepth_cli.machine.devices import autocast

        with torch.inference_mode():
            image = image.to(self.device, memory_format=torch.channels_last)
            with autocast(self.device, self.precision):
                output: DepthOutput = self.model(image)
            if output.depth is None:
                raise TypeError("this model gives features only, no depth")
            return output.depth.float().cpu()

    def depth_of(self, pixels: np.ndarray) -> np.ndarray:
        import torch

        return self.run(torch.from_numpy(pixels))[0, 0].numpy()
