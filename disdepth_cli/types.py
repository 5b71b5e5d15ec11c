"""What the rooms hand each other: batches, features, depth, losses. Shapes and units stand in each docstring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

FeatureMaps = list[Tensor]
"""Features at several depths, finest first: (B, C_i, H / r_i, W / r_i)."""


def image_layout(device: torch.device) -> torch.memory_format:
    """Memory format of images and convolutions: channels_last, except on MPS, whose gradients it has made wrong."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


@dataclass(frozen=True)
class FeatureSpec:
    """Channels and strides of `FeatureMaps`. A decoder is built from this and never sees an encoder."""

    channels: tuple[int, ...]
    reductions: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.reductions):
            raise ValueError(f"{len(self.channels)} channel counts for {len(self.reductions)} reductions")

    def __len__(self) -> int:
        return len(self.channels)


@dataclass
class DepthSample:
    """One view as it travels from the reader to the device, five bytes a pixel.

    pixels (H, W, 3) uint8 RGB; colours (3, 256) float32, what a stored value of each channel becomes, in [0, 1]; depth
    (H, W) float16 [m], 0 = not valid. `labelled`: it has ground truth. `key` names the image file.
    """

    pixels: np.ndarray
    colours: np.ndarray
    depth: np.ndarray
    key: str
    labelled: bool = True


@dataclass
class StoredBatch:
    """Views of one size as they travel, see `DepthSample`: pixels (B, H, W, 3), colours (B, 3, 256), depth (B, H, W).

    `failures` are the files that could not be read for this batch, as (key, reason). A batch whose every file failed
    has B = 0. Between processes the pixels and depth lie in shared memory where that has room, else they are sent.
    """

    pixels: Tensor | np.ndarray
    colours: Tensor | np.ndarray
    depth: Tensor | np.ndarray
    keys: list[str]
    labelled: list[bool]
    failures: list[tuple[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def collate(cls, samples: Sequence[DepthSample], failures: Sequence[tuple[str, str]] = ()) -> StoredBatch:
        """Stack samples of one size; an empty sequence gives an empty batch that only carries `failures`."""
        if not samples:
            nothing = np.zeros((0, 0, 0), np.float16)
            pixels, colours = np.zeros((0, 0, 0, 3), np.uint8), np.zeros((0, 3, 256), np.float32)
            return cls(pixels, colours, nothing, [], [], list(failures))
        return cls(
            pixels=np.stack([s.pixels for s in samples]),
            colours=np.stack([s.colours for s in samples]),
            depth=np.stack([s.depth for s in samples]),
            keys=[s.key for s in samples],
            labelled=[s.labelled for s in samples],
            failures=list(failures),
        )

    def first(self, count: int) -> StoredBatch:
        """Its first images, without its failures."""
        pixels, colours, depth = self.pixels[:count], self.colours[:count], self.depth[:count]
        return StoredBatch(pixels, colours, depth, self.keys[:count], self.labelled[:count])

    def in_shared_memory(self) -> StoredBatch:
        """The batch in shared memory; as it is where that has no room left."""
        try:
            pixels, depth = (torch.as_tensor(value).share_memory_() for value in (self.pixels, self.depth))
        except (RuntimeError, OSError):
            return self
        return replace(self, pixels=pixels, depth=depth)

    def pin_memory(self) -> StoredBatch:
        """The batch in page-locked memory; the data loader calls this."""
        pixels, colours, depth = (torch.as_tensor(v).pin_memory() for v in (self.pixels, self.colours, self.depth))
        return replace(self, pixels=pixels, colours=colours, depth=depth)

    def to(self, device: torch.device) -> DepthBatch:
        """The batch on `device` as networks take it, images in `image_layout`."""
        moved = (torch.as_tensor(value) for value in (self.pixels, self.colours, self.depth))
        pixels, colours, stored = (value.to(device, non_blocking=True) for value in moved)
        # One look-up for all images and channels: 256 entries a channel, 768 an image.
        images = torch.arange(len(self), device=device, dtype=torch.int32).view(-1, 1, 1, 1) * 768
        place = pixels + (images + torch.arange(0, 768, 256, device=device, dtype=torch.int32))
        image = colours.flatten().index_select(0, place.flatten()).view(place.shape).permute(0, 3, 1, 2)
        depth = stored.float().unsqueeze(1)
        return DepthBatch(
            image=image.contiguous(memory_format=image_layout(device)),
            depth=depth,
            valid=depth > 0,
            keys=self.keys,
            labelled=torch.tensor(self.labelled, dtype=torch.bool),
            failures=self.failures,
        )


@dataclass
class DepthBatch:
    """Views of one size. image (B, 3, H, W) float32 RGB in [0, 1]; depth (B, 1, H, W) [m]; valid (B, 1, H, W) bool.

    The image is not normalised: each model applies its own mean and std. labelled (B,) bool says which images have
    ground truth; it stays on the CPU, where it is asked. Without, an image's depth is all 0 and its valid all False.
    """

    image: Tensor
    depth: Tensor
    valid: Tensor
    keys: list[str]
    labelled: Tensor
    failures: list[tuple[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def without_truth(self) -> Tensor:
        """(B, 1, 1, 1) bool on the images' device: no ground truth at all."""
        return (~self.labelled).view(-1, 1, 1, 1).to(self.image.device, non_blocking=True)


@dataclass
class DecoderOutput:
    """What a decoder makes of features.

    depth (B, 1, h, w) at the decoder's own stride, [m] or relative disparity; levels: its fused feature maps, finest
    first; bin_logits (B, N, h, w); bin_centres (B, N) in the depth's unit, ascending.
    depth = sum_i softmax(bin_logits)_i * centre_i.
    """

    depth: Tensor
    levels: FeatureMaps
    bin_logits: Tensor
    bin_centres: Tensor


@dataclass
class DepthOutput:
    """depth (B, 1, H, W) at the input's size, and the features it came from; returned, never hooked.

    The depth is in metres for metric students and teachers, and disparity up to scale and shift for relative ones;
    a student's metadata and a teacher's contract say which. `decoder` is None for models that are not built on our
    decoder.
    """

    depth: Tensor | None
    features: FeatureMaps
    decoder: DecoderOutput | None = None


@dataclass
class LossTerms:
    """A loss with its parts: `total` is what is minimised, `parts` (already weighted) are what is logged.

    shares: further numbers for the log that are no losses, such as the share of labelled images.
    """

    total: Tensor
    parts: dict[str, Tensor]
    shares: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: dict[str, Tensor], shares: dict[str, Tensor] | None = None) -> LossTerms:
        """The sum of named, weighted parts; at least one."""
        return cls(total=torch.stack(list(parts.values())).sum(), parts=parts, shares=shares or {})
