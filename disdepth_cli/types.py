"""What the rooms hand each other: batches, features, depth, losses. Shapes and units stand in each docstring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

FeatureMaps = list[Tensor]
"""Features at several depths, finest first: (B, C_i, H / r_i, W / r_i)."""


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
    """One view. image (3, H, W) float32 RGB in [0, 1]; depth (1, H, W) [m]; valid (1, H, W) bool.

    The image is not normalised: each model applies its own mean and std. `labelled` is False for an image
    without ground truth; its depth is then all zero and its valid mask all False. `key` names the image file.
    """

    image: Tensor
    depth: Tensor
    valid: Tensor
    key: str
    labelled: bool = True


@dataclass
class DepthBatch:
    """Views of one size. image (B, 3, H, W) RGB in [0, 1]; depth (B, 1, H, W) [m]; valid (B, 1, H, W) bool.

    labelled (B,) bool. `failures` are the files that could not be read for this batch, as (key, reason).
    A batch whose every file failed has B = 0.
    """

    image: Tensor
    depth: Tensor
    valid: Tensor
    keys: list[str]
    labelled: Tensor
    failures: list[tuple[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def collate(cls, samples: Sequence[DepthSample], failures: Sequence[tuple[str, str]] = ()) -> DepthBatch:
        """Stack samples of one size; an empty sequence gives an empty batch that only carries `failures`."""
        if not samples:
            nothing = torch.zeros(0, 1, 0, 0)
            return cls(torch.zeros(0, 3, 0, 0), nothing, nothing.bool(), [], torch.zeros(0).bool(), list(failures))
        return cls(
            image=torch.stack([s.image for s in samples]),
            depth=torch.stack([s.depth for s in samples]),
            valid=torch.stack([s.valid for s in samples]),
            keys=[s.key for s in samples],
            labelled=torch.tensor([s.labelled for s in samples]),
            failures=list(failures),
        )

    def pin_memory(self) -> DepthBatch:
        """The batch in page-locked memory; the data loader calls this."""
        return replace(
            self,
            image=self.image.pin_memory(),
            depth=self.depth.pin_memory(),
            valid=self.valid.pin_memory(),
            labelled=self.labelled.pin_memory(),
        )

    def to(self, device: torch.device, channels_last: bool = True) -> DepthBatch:
        """The batch on `device`, images in channels_last memory format unless told otherwise."""
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return replace(
            self,
            image=self.image.to(device, non_blocking=True, memory_format=layout),
            depth=self.depth.to(device, non_blocking=True),
            valid=self.valid.to(device, non_blocking=True),
            labelled=self.labelled.to(device, non_blocking=True),
        )


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
