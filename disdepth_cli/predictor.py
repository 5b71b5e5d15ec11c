"""One code path from an image of any size to its depth, for validation, evaluate and predict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from disdepth_cli.config.types import OutputKind, Precision
from disdepth_cli.data.batches.origin import Origins
from disdepth_cli.data.files.any_image import ImageLike, as_rgb
from disdepth_cli.depth.depth import Depth
from disdepth_cli.machine.devices import channels_last, exact
from disdepth_cli.types import DepthOutput, ViewOrigin, image_layout
from disdepth_cli.working_size import Placement, WorkingSize, fit, restore

BATCH = 16


@dataclass
class DepthPredictor:
    """A model with everything that belongs to running it.

    model: image (B, 3, H, W) RGB in [0, 1] -> DepthOutput; kind says what its numbers mean: metres, or disparity or
    depth up to scale and shift. min_depth and max_depth: the smallest and largest number it gives, 0 and infinite where
    it states none. precision is resolved, not `auto`. origins: for a teacher that needs more than pixels.
    """

    model: nn.Module
    working_size: WorkingSize
    kind: OutputKind
    max_depth: float
    device: torch.device
    precision: Precision
    min_depth: float = 0.0
    origins: Origins | None = None

    def __post_init__(self) -> None:
        self.model = channels_last(self.model, self.device).eval()

    @torch.inference_mode()
    def run(self, image: Tensor, origin: ViewOrigin | None = None) -> Tensor:
        """image (B, 3, h, w) of the network's input size -> depth (B, 1, h, w) float32 on the CPU.

        origin: of the images, where `origins` is there; not looked at otherwise.
        """
        image = image.to(self.device, memory_format=image_layout(self.device))
        known = () if self.origins is None or origin is None else (origin.to(self.device),)
        with exact(self.device, self.precision):
            output: DepthOutput = self.model(image, *known)
        if output.depth is None:
            raise TypeError("this model gives features only, no depth")
        return output.depth.float().cpu()

    @property
    def at_once(self) -> int:
        """How many images are worth running together: a CPU is busy with one."""
        return 1 if self.device.type == "cpu" else BATCH

    def predict_unrestored(self, image: Tensor, flip: bool = False, origin: ViewOrigin | None = None) -> np.ndarray:
        """image (B, 3, h, w) of the network's input size -> depth (B, h, w) float32 of that size.

        flip: the mean with the flipped image's flipped depth (test-time augmentation).
        """
        depth = self.run(image, origin)
        if flip:
            other = None if origin is None else origin.flipped()
            depth = (depth + self.run(image.flip(-1), other).flip(-1)) / 2
        return depth[:, 0].numpy()

    def predict_fitted(
        self, image: Tensor, placement: Placement, flip: bool = False, origin: ViewOrigin | None = None
    ) -> np.ndarray:
        """image (1, 3, h, w) brought to size by `fit` -> depth (H, W) float32 of the original image's size.

        flip: as in `predict_unrestored`.
        """
        return restore(self.predict_unrestored(image, flip, origin)[0], placement)

    def predict(self, image: np.ndarray, flip: bool = False, origin: ViewOrigin | None = None) -> np.ndarray:
        """image (H, W, 3) uint8 RGB, whole -> depth (H, W) float32. origin: of this very image."""
        fitted, placement = fit(image, self.working_size)
        tensor = torch.from_numpy(fitted).permute(2, 0, 1).unsqueeze(0).float() / 255
        if origin is not None:
            focal = origin.focal * placement.scaled[1] / (image.shape[1] + 2 * placement.margin[1])
            origin = replace(origin, box=torch.tensor([[0.0, 0.0, 1.0, 1.0]]), focal=focal)
        return self.predict_fitted(tensor, placement, flip, origin)

    def predict_depth(self, image: ImageLike) -> Depth:
        """Any image -> its depth at the image's own size, with kind and range.

        Raises:
            DataError: it cannot be read, or is no image.
        """
        bounded = math.isfinite(self.max_depth)
        low, high = (self.min_depth, self.max_depth) if bounded else (None, None)
        return Depth(self.predict(as_rgb(image)), self.kind, low, high)
