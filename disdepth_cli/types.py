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
class ViewOrigin:
    """Where views come from: what some teachers need beside their pixels. One row a view.

    box (B, 4): the view's place in its image: top, left, height and width, as shares of the image.
    mirrored (B,) bool. zoom (B,): the view's depth is the image's divided by it.
    focal (B,): focal length [pixels of the view] at which the view's depth is right; NaN where it is not known.
    whole: by the key of a teacher that sees whole images, what it sees of each view's image, (C, h, w).
    """

    box: Tensor
    mirrored: Tensor
    zoom: Tensor
    focal: Tensor
    whole: dict[str, list[Tensor]] = field(default_factory=dict)

    @classmethod
    def of_one(
        cls,
        box: tuple[float, float, float, float],
        mirrored: bool,
        zoom: float,
        focal: float | None,
        whole: dict[str, Tensor],
    ) -> ViewOrigin:
        """The origin of a single view."""
        return cls(
            torch.tensor([box]),
            torch.tensor([mirrored]),
            torch.tensor([zoom]),
            torch.tensor([torch.nan if focal is None else focal]),
            {key: [seen] for key, seen in whole.items()},
        )

    @classmethod
    def collate(cls, origins: Sequence[ViewOrigin]) -> ViewOrigin:
        """One after the other; at least one."""
        return cls(
            torch.cat([one.box for one in origins]),
            torch.cat([one.mirrored for one in origins]),
            torch.cat([one.zoom for one in origins]),
            torch.cat([one.focal for one in origins]),
            {key: [seen for one in origins for seen in one.whole[key]] for key in origins[0].whole},
        )

    def rows(self, chosen: Tensor) -> ViewOrigin:
        """Those of some views; chosen (B,) bool."""
        positions = chosen.nonzero().flatten().tolist()
        whole = {key: [seen[position] for position in positions] for key, seen in self.whole.items()}
        return ViewOrigin(self.box[chosen], self.mirrored[chosen], self.zoom[chosen], self.focal[chosen], whole)

    def of_resized(self, factor: float) -> ViewOrigin:
        """That of the whole images, brought to `factor` of their size."""
        return replace(self, box=torch.tensor([[0.0, 0.0, 1.0, 1.0]]), focal=self.focal * factor)

    def magnified(self, depth: Tensor, disparity: bool) -> Tensor:
        """Depth (B, 1, H, W) that was said of the whole images, as the views have it: divided by their zoom; disparity
        times it."""
        zoom = self.zoom.view(-1, 1, 1, 1).to(depth)
        return depth * zoom if disparity else depth / zoom

    def flipped(self) -> ViewOrigin:
        """Those of the views' mirror images, as views of the mirrored whole images."""
        top, left, height, width = self.box.unbind(1)
        box = torch.stack([top, 1 - left - width, height, width], dim=1)
        whole = {key: [seen.flip(-1) for seen in images] for key, images in self.whole.items()}
        return replace(self, box=box, whole=whole)

    def to(self, device: torch.device) -> ViewOrigin:
        """The same on `device`."""

        def there(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        whole = {key: [there(one) for one in seen] for key, seen in self.whole.items()}
        return ViewOrigin(there(self.box), there(self.mirrored), there(self.zoom), there(self.focal), whole)


@dataclass
class DepthSample:
    """One view as it travels from the reader to the device, five bytes a pixel.

    pixels (H, W, 3) uint8 RGB; colours (3, 256) float32, what a stored value of each channel becomes, in [0, 1]; depth
    (H, W) float16 [m], 0 = not valid. `labelled`: it has ground truth. `key` names the image file.
    `origin` is there where a teacher asks for it.
    """

    pixels: np.ndarray
    colours: np.ndarray
    depth: np.ndarray
    key: str
    labelled: bool = True
    origin: ViewOrigin | None = None


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
    origin: ViewOrigin | None = None

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
            origin=_joined([s.origin for s in samples]),
        )

    def first(self, count: int) -> StoredBatch:
        """Its first images, without its failures."""
        pixels, colours, depth = self.pixels[:count], self.colours[:count], self.depth[:count]
        origin = None if self.origin is None else self.origin.rows(torch.arange(len(self)) < count)
        return StoredBatch(pixels, colours, depth, self.keys[:count], self.labelled[:count], origin=origin)

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
        index = pixels + (images + torch.arange(0, 768, 256, device=device, dtype=torch.int32))
        image = colours.flatten().index_select(0, index.flatten()).view(index.shape).permute(0, 3, 1, 2)
        depth = stored.float().unsqueeze(1)
        return DepthBatch(
            image=image.contiguous(memory_format=image_layout(device)),
            depth=depth,
            valid=depth > 0,
            keys=self.keys,
            labelled=torch.tensor(self.labelled, dtype=torch.bool),
            failures=self.failures,
            origin=None if self.origin is None else self.origin.to(device),
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
    origin: ViewOrigin | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def without_truth(self) -> Tensor:
        """(B, 1, 1, 1) bool on the images' device: no ground truth at all."""
        return (~self.labelled).view(-1, 1, 1, 1).to(self.image.device, non_blocking=True)


def _joined(origins: Sequence[ViewOrigin | None]) -> ViewOrigin | None:
    """All of them, or None where they were not asked for."""
    known = [origin for origin in origins if origin is not None]
    return ViewOrigin.collate(known) if known else None


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
