"""One code path from an image of any size to its depth, for validation, evaluate and predict.

No torch at import: a file for another runtime predicts without it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from disdepth_cli.config.types import OutputKind, Precision
from disdepth_cli.data.files.any_image import ImageLike, as_rgb
from disdepth_cli.depth.depth import Depth
from disdepth_cli.seen_images import LEVEL, SeenImages
from disdepth_cli.working_size import Placement, WorkingSize, fit, restore, to_pixels

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from disdepth_cli.data.batches.origin import Origins
    from disdepth_cli.types import DepthOutput, FeatureMaps, ViewOrigin

BATCH = 16
Item = TypeVar("Item")


class Predictor(ABC):
    """Something that predicts depth, and how images are brought to it.

    kind says what its numbers mean: metres, or disparity or depth up to scale and shift. min_depth and max_depth: the
    smallest and largest number it gives, 0 and infinite where it states none. precision is what it computes in,
    parameters how many it was trained with. origins: for a teacher that needs more than pixels. unlike: of the
    images that were run last, see `Depth.unlike`; empty where the model cannot tell.
    """

    working_size: WorkingSize
    kind: OutputKind
    max_depth: float
    device: torch.device
    precision: str
    parameters: int
    min_depth: float = 0.0
    origins: Origins | None = None
    unlike: tuple[float, ...] = ()

    @abstractmethod
    def depth_of(self, pixels: np.ndarray, origin: ViewOrigin | None = None) -> np.ndarray:
        """pixels (B, 3, h, w) float32 RGB in [0, 1] of the network's input size -> depth (B, h, w) float32.

        origin: of the images, where `origins` is there; not looked at otherwise.
        """

    @property
    def at_once(self) -> int:
        """How many images are worth running together: a CPU is busy with one."""
        return 1

    def predict_unrestored(
        self, image: Tensor | np.ndarray, flip: bool = False, origin: ViewOrigin | None = None
    ) -> np.ndarray:
        """image (B, 3, h, w) of the network's input size -> depth (B, h, w) float32 of that size.

        flip: the mean with the flipped image's flipped depth (test-time augmentation).
        """
        pixels = np.asarray(image)
        depth = self.depth_of(pixels, origin)
        if flip:
            other = None if origin is None else origin.flipped()
            depth = (depth + self.depth_of(np.ascontiguousarray(pixels[..., ::-1]), other)[..., ::-1]) / 2
        return depth

    def predict_fitted(
        self,
        image: Tensor | np.ndarray,
        placement: Placement,
        flip: bool = False,
        origin: ViewOrigin | None = None,
    ) -> np.ndarray:
        """image (1, 3, h, w) brought to size by `fit` -> depth (H, W) float32 of the original image's size.

        flip: as in `predict_unrestored`.
        """
        return restore(self.predict_unrestored(image, flip, origin)[0], placement)

    def predict(self, image: np.ndarray, flip: bool = False, origin: ViewOrigin | None = None) -> np.ndarray:
        """image (H, W, 3) uint8 RGB, whole -> depth (H, W) float32. origin: of this very image."""
        fitted, placement = fit(image, self.working_size)
        if origin is not None:
            origin = origin.of_resized(placement.scaled[1] / (image.shape[1] + 2 * placement.margin[1]))
        return self.predict_fitted(to_pixels(fitted), placement, flip, origin)

    def predict_depth(self, image: ImageLike) -> Depth:
        """Any image -> its depth at the image's own size, with kind and range.

        Raises:
            DataError: it cannot be read, or is no image.
        """
        return self.predict_several([as_rgb(image)])[0]

    def predict_several(self, images: Sequence[np.ndarray]) -> list[Depth]:
        """Images (H, W, 3) uint8 RGB, whole and of one size -> the depth of each; `at_once` says how many are worth it.

        Raises:
            DataError: the model takes no images of that size.
        """
        bounded = math.isfinite(self.max_depth)
        low, high = (self.min_depth, self.max_depth) if bounded else (None, None)
        unlike: list[float | None] = [None] * len(images)
        depths = self._whole(images)
        unlike[: len(self.unlike)] = self.unlike
        return [Depth(one, self.kind, low, high, how) for one, how in zip(depths, unlike, strict=True)]

    def _whole(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The depth (H, W) float32 of each image; `unlike` is of all of them."""
        depths: list[np.ndarray] = []
        unlike: tuple[float, ...] = ()
        for image in images:
            depths.append(self.predict(image))
            unlike += self.unlike
        self.unlike = unlike
        return depths


def of_one_size(items: Iterable[Item], most: int, size_of: Callable[[Item], object]) -> Iterator[list[Item]]:
    """Neighbours of one size, at most so many together; what has none, since it could not be read, stays alone."""
    group: list[Item] = []
    for item in items:
        size = size_of(item)
        if group and (size is None or size != size_of(group[0])):
            yield group
            group = []
        group.append(item)
        if size is None or len(group) == most:
            yield group
            group = []
    if group:
        yield group


def channel_means(features: FeatureMaps) -> np.ndarray:
    """The features of B images -> (B, channels) float32: what `SeenImages` is made of, and is asked with."""
    return features[LEVEL].float().mean((2, 3)).cpu().numpy()


@dataclass
class DepthPredictor(Predictor):
    """A model in PyTorch with everything that belongs to running it.

    model: image (B, 3, H, W) RGB in [0, 1] -> DepthOutput. precision is resolved, not `auto`. parameters: how many the
    model was trained with, where folding has made them fewer; by default they are counted. seen: what its training
    images were like.
    """

    model: nn.Module
    working_size: WorkingSize
    kind: OutputKind
    max_depth: float
    device: torch.device
    precision: Precision
    min_depth: float = 0.0
    origins: Origins | None = None
    parameters: int = 0
    seen: SeenImages | None = None

    def __post_init__(self) -> None:
        from disdepth_cli.machine.devices import channels_last

        self.parameters = self.parameters or sum(parameter.numel() for parameter in self.model.parameters())
        self.model = channels_last(self.model, self.device).eval()

    def run(self, image: Tensor, origin: ViewOrigin | None = None) -> Tensor:
        """image (B, 3, h, w) of the network's input size -> depth (B, 1, h, w) float32 on the CPU.

        origin: as in `depth_of`.
        """
        import torch

        from disdepth_cli.machine.devices import exact
        from disdepth_cli.types import image_layout

        with torch.inference_mode():
            image = image.to(self.device, memory_format=image_layout(self.device))
            known = () if self.origins is None or origin is None else (origin.to(self.device),)
            with exact(self.device, self.precision):
                output: DepthOutput = self.model(image, *known)
            if output.depth is None:
                raise TypeError("this model gives features only, no depth")
            if self.seen is not None:
                self.unlike = tuple(map(self.seen.unlike, channel_means(output.features)))
            return output.depth.float().cpu()

    @property
    def at_once(self) -> int:
        return 1 if self.device.type == "cpu" else BATCH

    def predict(self, image: np.ndarray, flip: bool = False, origin: ViewOrigin | None = None) -> np.ndarray:
        """As `Predictor.predict`; a teacher that sees whole images is shown this one."""
        if origin is None and self.origins is not None:
            origin = self.origins.of_image(image)
        return super().predict(image, flip, origin)

    def _whole(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self.origins is not None:
            return super()._whole(images)
        fitted = [fit(image, self.working_size) for image in images]
        depths = self.predict_unrestored(np.concatenate([to_pixels(image) for image, _ in fitted]))
        return [restore(depth, placement) for depth, (_, placement) in zip(depths, fitted, strict=True)]

    def depth_of(self, pixels: np.ndarray, origin: ViewOrigin | None = None) -> np.ndarray:
        return self.predict_unrestored(pixels, origin=origin)

    def predict_unrestored(
        self, image: Tensor | np.ndarray, flip: bool = False, origin: ViewOrigin | None = None
    ) -> np.ndarray:
        import torch

        image = torch.as_tensor(image)
        depth = self.run(image, origin)
        if flip:
            other = None if origin is None else origin.flipped()
            depth = (depth + self.run(image.flip(-1), other).flip(-1)) / 2
        return depth[:, 0].numpy()
