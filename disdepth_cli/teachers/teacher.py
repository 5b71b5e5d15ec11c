"""One interface for every teacher: what its numbers mean (the contract) and how it is looked at (the module)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from disdepth_cli.teachers.licences import licence_note
from disdepth_cli.types import DepthOutput, FeatureMaps, FeatureSpec
from disdepth_cli.working_size import WorkingSize

if TYPE_CHECKING:
    from disdepth_cli.teachers.probe import ProbeResult

Family = Literal["transformers", "timm"]
Kind = Literal["metric_depth", "disparity", "relative_depth", "none"]
Taps = Literal["encoder", "neck"]
Weights = Literal["local", "missing", "random"]
Channels = tuple[float, float, float]

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TeacherContract:
    """What a teacher's numbers mean. Channels and strides are measured on a probe image, not taken on trust.

    kind: metric_depth [m], disparity (larger is nearer, unknown scale and shift), relative_depth (larger is farther,
        unknown scale and shift), or none: an encoder without depth of its own.
    max_depth: the largest depth [m] the teacher can give, None where it states none.
    size_multiple: both sides of its input are a multiple of this [pixels]; the teacher itself sees to it.
    mean, std: applied by the teacher itself to RGB in [0, 1].
    working_size: the input at which the teacher's own accuracy is measured.
    taps: names of the features, one per entry of `spec`; finest first, or by depth where the strides are equal.
    fixed_size: (height, width) [pixels] every view is resized to, for encoders that take one size only; None else.
    probe: what was measured on the probe image, None for an encoder.
    weights: "local" (loaded and probed), "missing" (on the Hub only: this contract comes from the config, nothing of
        the weights was probed) or "random" (for tests).
    weight_bytes: size of the weight files [bytes]. download: what a run would fetch first, in words.
    flops: of one image at the working size, a multiply-add counts two; None where it was not asked.
    """

    id: str
    family: Family
    model_type: str
    kind: Kind
    unit: str
    max_depth: float | None
    size_multiple: int
    mean: Channels
    std: Channels
    working_size: WorkingSize
    taps: tuple[str, ...]
    spec: FeatureSpec
    parameters: int
    licence: str | None
    revision: str | None
    fingerprint: str
    fixed_size: tuple[int, int] | None = None
    probe: ProbeResult | None = None
    weights: Weights = "local"
    weight_bytes: int = 0
    download: str = "nothing"
    flops: int | None = None

    def lines(self) -> list[str]:
        """The contract for people, one `key: value` a line."""
        size = self.working_size
        values = {
            "teacher": self.id,
            "family": self.family,
            "model_type": self.model_type,
            "kind": self.kind,
            "unit": self.unit,
            "max_depth": "none" if self.max_depth is None else f"{self.max_depth:g}",
            "output": self._output(),
            "size_multiple": str(self.size_multiple),
            "fixed_size": "none" if self.fixed_size is None else f"{self.fixed_size[0]}x{self.fixed_size[1]}",
            "working_size": f"{size.height}x{size.width} ({size.scale_rule})",
            "input_size": self._input_size(),
            "mean": " ".join(f"{value:g}" for value in self.mean),
            "std": " ".join(f"{value:g}" for value in self.std),
            "taps": " ".join(self.taps),
            "channels": " ".join(map(str, self.spec.channels)),
            "strides": " ".join(map(str, self.spec.reductions)),
            "probe": "none" if self.probe is None else self.probe.line(self.kind),
            "parameters": str(self.parameters),
            "gflops": "not counted" if self.flops is None else f"{self.flops / 1e9:.2f} at {size.height}x{size.width}",
            "licence": self.licence or "not stated",
            "licence_note": licence_note(self.licence) or "open",
            "revision": self.revision or "none",
            "fingerprint": self.fingerprint,
            "weights": self._weights(),
            "size_on_disk": f"{self.weight_bytes / 1e6:.1f} MB" if self.weights == "local" else "0.0 MB",
            "download": self.download,
        }
        return [f"{key}: {value}" for key, value in values.items()]

    def _output(self) -> str:
        """Kind, unit and range of the numbers, in words."""
        if self.kind == "metric_depth":
            return "depth in metres" + (f", up to {self.max_depth:g} m" if self.max_depth is not None else "")
        if self.kind == "disparity":
            return "inverse depth, larger is nearer, of unknown scale and shift"
        if self.kind == "relative_depth":
            return "depth, larger is farther, of unknown scale and shift"
        return "features only; depth is what acclimation learns from labelled images"

    def _input_size(self) -> str:
        """The rule for input sizes, in words."""
        size = self.working_size
        if self.fixed_size is not None:
            return f"{self.fixed_size[0]}x{self.fixed_size[1]} only; every image is stretched to it"
        how = {
            "cover": "aspect kept, covering",
            "short-side": "aspect kept, the shorter side fits",
            "stretch": "aspect ignored",
        }[size.scale_rule]
        return f"multiples of {self.size_multiple}; evaluated at {size.height}x{size.width}, {how}"

    def _weights(self) -> str:
        if self.weights == "missing":
            return f"not downloaded, {self.weight_bytes / 1e6:.1f} MB; described from its config, not yet probed"
        return "random" if self.weights == "random" else "on this machine, probed"


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
