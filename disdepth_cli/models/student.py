"""The student: backbone, LG-Conv, decoder, heads; `StudentArchitecture` is all that is needed to build it again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from disdepth_cli.config.types import LGConvOn, OutputKind
from disdepth_cli.models.decoder import DepthDecoder
from disdepth_cli.models.encoder import REDUCTIONS, BackboneStart, Encoder, build_encoder, timm_name
from disdepth_cli.models.lg_conv import LGConv, insert_lg_convs
from disdepth_cli.types import DepthOutput
from disdepth_cli.working_size import WorkingSize


@dataclass(frozen=True)
class StudentArchitecture:
    """What a student is made of. min_depth and max_depth belong to the model: changing them rescales it.

    They are the smallest and largest output: in metres, or in relative disparity where `output_kind` says so.
    """

    backbone: str
    min_depth: float
    max_depth: float
    working_size: WorkingSize
    lg_conv: LGConvOn = "none"
    decoder_channels: int = 64
    bins: int = 64
    output_kind: OutputKind = "metric_depth"


class DepthStudent(nn.Module):
    """image (B, 3, H, W) RGB in [0, 1], H and W multiples of 32 -> depth (B, 1, H, W) and features.

    The depth is in metres, or relative disparity in 0 to 1: `architecture.output_kind`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        architecture: StudentArchitecture,
        encoder: Encoder,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = encoder
        self.decoder = DepthDecoder(
            encoder.spec,
            architecture.decoder_channels,
            architecture.bins,
            architecture.min_depth,
            architecture.max_depth,
        )
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> DepthOutput:
        height, width = image.shape[-2:]
        stride = REDUCTIONS[-1]
        if height % stride or width % stride:
            right = (-(-height // stride) * stride, -(-width // stride) * stride)
            raise ValueError(
                f"the image is {height}x{width}; both sides must be multiples of {stride}: pad it to "
                f"{right[0]}x{right[1]}"
            )
        features = self.encoder((image - self.mean) / self.std)
        decoded = self.decoder(features)
        depth = F.interpolate(decoded.depth, size=(height, width), mode="bilinear", align_corners=False)
        return DepthOutput(depth=depth, features=features, decoder=decoded)

    def parameter_groups(self, lr: float, backbone_lr: float, weight_decay: float) -> list[dict]:
        """AdamW groups: the backbone at its own rate; LG-Conv at the head's rate without weight decay.

        Norms and biases take no weight decay either.
        """
        lg = {
            id(p)
            for m in self.modules()
            if isinstance(m, LGConv)
            for n, p in m.named_parameters()
            if not n.startswith("local.")
        }
        backbone = {id(p) for p in self.encoder.net.parameters()} - lg
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for parameter in self.parameters():
            rate = backbone_lr if id(parameter) in backbone else lr
            decay = 0.0 if id(parameter) in lg or parameter.ndim <= 1 else weight_decay
            groups.setdefault((rate, decay), []).append(parameter)
        return [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]


def build_student(
    architecture: StudentArchitecture, start: BackboneStart | None = None, kind: type[DepthStudent] = DepthStudent
) -> DepthStudent:
    """Build a student; `start` says what the backbone starts from (random when None), `kind` its class.

    Raises:
        StudentError: the backbone or its weights cannot be had.
    """
    encoder, data = build_encoder(architecture.backbone, start or BackboneStart())
    insert_lg_convs(encoder, architecture.lg_conv)
    return kind(architecture, encoder, tuple(data["mean"]), tuple(data["std"]))


__all__ = ["DepthStudent", "StudentArchitecture", "build_student", "timm_name"]
