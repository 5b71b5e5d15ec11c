"""One code path from an image of any size to its depth, for validation, evaluate and predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from disdepth_cli.config.types import OutputKind, Precision
from disdepth_cli.machine.devices import autocast, channels_last
from disdepth_cli.types import DepthOutput
from disdepth_cli.working_size import Placement, WorkingSize, fit, restore


@dataclass
class DepthPredictor:
    """A model with everything that belongs to running it.

    model: image (B, 3, H, W) RGB in [0, 1] -> DepthOutput; kind says what its numbers mean: metres, or disparity or
    depth up to scale and shift. precision is resolved, not `auto`. parameters: how many the model was trained with,
    where folding has made them fewer; by default they are counted.
    """

    model: nn.Module
    working_size: WorkingSize
    kind: OutputKind
    max_depth: float
    device: torch.device
    precision: Precision
    parameters: int = 0

    def __post_init__(self) -> None:
        self.parameters = self.parameters or sum(parameter.numel() for parameter in self.model.parameters())
        self.model = channels_last(self.model.to(self.device)).eval()

    @torch.inference_mode()
    def run(self, image: Tensor) -> Tensor:
        """image (B, 3, h, w) of the network's input size -> depth (B, 1, h, w) float32 on the CPU."""
        image = image.to(self.device, memory_format=torch.channels_last)
        with autocast(self.device, self.precision):
            output: DepthOutput = self.model(image)
        if output.depth is None:
            raise TypeError("this model gives features only, no depth")
        return output.depth.float().cpu()

    def predict_unrestored(self, image: Tensor, flip: bool = False) -> np.ndarray:
        """image (1, 3, h, w) of the network's input size -> depth (h, w) float32 of that size.

        flip: the mean with the flipped image's flipped depth (test-time augmentation).
        """
        depth = self.run(image)
        if flip:
            depth = (depth + self.run(image.flip(-1)).flip(-1)) / 2
        return depth[0, 0].numpy()

    def predict_fitted(self, image: Tensor, placement: Placement, flip: bool = False) -> np.ndarray:
        """image (1, 3, h, w) brought to size by `fit` -> depth (H, W) float32 of the original image's size.

        flip: as in `predict_unrestored`.
        """
        return restore(self.predict_unrestored(image, flip), placement)

    def predict(self, image: np.ndarray, flip: bool = False) -> np.ndarray:
        """image (H, W, 3) uint8 RGB -> depth (H, W) float32."""
        fitted, placement = fit(image, self.working_size)
        tensor = torch.from_numpy(fitted).permute(2, 0, 1).unsqueeze(0).float() / 255
        return self.predict_fitted(tensor, placement, flip)
