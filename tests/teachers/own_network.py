"""A small network as people write them: tokens, a dict for its output, `view`s, inference mode. Named by the tests."""

from __future__ import annotations

import torch
from torch import nn

from disdepth_cli.teachers import Tap, TeacherDescription


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, x):
        y = self.norm(x)
        return x + self.attn(y, y, y)[0]


class Own(nn.Module):
    """image -> {"depth": (B, 1, 1, H / 8, W / 8) [mm]}: brighter below and to the right is nearer, as untrained."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(2))
        self.neck = nn.Conv2d(width, 12, 3, padding=1)
        self.head = nn.Conv2d(12, 1, 1)

    def forward(self, image):
        b, _, h, w = image.shape
        x = self.patch(image)
        x = x.view(b, -1).view(b, x.shape[1], -1).transpose(1, 2)  # the first view fails on channels_last
        x = torch.cat([self.token.expand(b, -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        x = self.neck(x[:, 1:].transpose(1, 2).unflatten(2, (h // 8, w // 8)))
        return {"depth": 1000 * (1 + 3 * torch.sigmoid(self.head(x))).unsqueeze(1), "confidence": x}


def network() -> Own:
    torch.manual_seed(3)
    return Own()


def own() -> TeacherDescription:
    return TeacherDescription(
        network=network(),
        kind="metric_depth",
        taps=("blocks.0", "blocks.1", Tap("neck", lambda given, pixels: given.relu())),
        output=lambda given: given["depth"][:, 0] / 1000,
        size=(64, 96),
        multiple=8,
        max_depth=4.0,
        licence="cc-by-nc-4.0",
    )


def no_taps() -> TeacherDescription:
    return TeacherDescription(
        network=network(),
        kind="metric_depth",
        output=lambda given: given["depth"][:, 0] / 1000,
        multiple=8,
        size=(64, 96),
    )


def relative() -> TeacherDescription:
    return TeacherDescription(
        network=network(),
        kind="disparity",
        output=lambda given: 1 + given["depth"][:, 0] / 1000,
        multiple=8,
        size=(64, 96),
    )


def by_focal() -> TeacherDescription:
    """Depth is the network's number times the focal length, as canonical-camera models have it."""
    return TeacherDescription(
        network=network(),
        kind="metric_depth",
        taps=("neck",),
        output=lambda given, focal: given["depth"][:, 0] / 1000 * (focal / 100).view(-1, 1, 1, 1),
        size=(64, 96),
        multiple=8,
        focal=True,
    )


class Whole(nn.Module):
    """All in one class: image (B, 3, h, w) in [0, 1] -> depth, features."""

    kind = "metric_depth"
    size = (64, 96)
    multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    @torch.inference_mode()
    def forward(self, image):
        given = self.net(image)
        return given["depth"][:, 0, 0] / 1000, [given["confidence"]]


class Session:
    """No module at all, as an ONNX session is none."""

    kind = "disparity"
    size = (48, 64)
    fixed = True

    def forward(self, image):
        assert image.shape[-2:] == (48, 64)
        return 1 + image.mean(dim=1).numpy().clip(0, 1), [image]


def broken():
    raise KeyError("weights")


def number():
    return 3
