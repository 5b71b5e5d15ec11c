"""MoGe-2 as a teacher in metres.

    pip install --no-deps dlr-moge dlr-utils3d dlr-pipeline       # a package of MoGe without its web demo
    disdepth acclimate --teacher examples/teachers/moge_2.py:vits --data data.yaml --dry-run

It measures the camera's field of view too, so it is shown whole images: a crop would seem to be of another lens. It
lays its tokens on a grid of its own; the taps are the maps that it makes of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from disdepth_cli.teachers import TeacherDescription

TOKENS = 1200  # the least that it was trained with: more cost more, and are finer
ONE = (1.0, 1.0, 1.0)
ZERO = (0.0, 0.0, 0.0)


def vits() -> TeacherDescription:
    """MoGe-2 with a ViT-S (35 M parameters) and its published weights, from the Hub."""
    from moge.model.v2 import MoGeModel

    return describe(MoGeModel.from_pretrained("Ruicheng/moge-2-vits-normal"), licence="mit")


def describe(network: nn.Module, licence: str | None = None) -> TeacherDescription:
    """A MoGe-2 network with a metric scale; it normalises its input itself."""
    count = len(network.encoder.output_projections)  # type: ignore[union-attr,arg-type]
    return TeacherDescription(
        network=Metric(network),
        kind="metric_depth",
        taps=[f"network.encoder.output_projections.{place}" for place in range(count)],
        mean=ZERO,
        std=ONE,
        size=(480, 640),
        whole=True,
        licence=licence,
    )


class Metric(nn.Module):
    """image (B, 3, h, w) RGB in [0, 1] -> depth (B, h, w) [m]; what it leaves out (sky) is as far as the farthest."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        # `infer` runs in inference mode: its output is copied where something is trained on it.
        given = self.network.infer(image, num_tokens=TOKENS, apply_mask=False, use_fp16=False)  # type: ignore[operator]
        depth, known = given["depth"], given["mask"]
        far = torch.where(known, depth, depth.new_zeros(())).flatten(1).amax(dim=1)
        far = torch.where(far > 0, far, depth.flatten(1).amax(dim=1)).view(-1, 1, 1)
        return torch.where(known, depth, far).clamp(min=0)
