"""Painted frames: bars at the edges of a training view, as scans, rectified or letterboxed images have them.

A student that is trained inside a protocol's border crop has never seen the frame that whole images have, and misjudges
their depth. It learns to look past one by frames that are painted over its views; the teacher sees the view as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

WIDEST = 1 / 12  # of the view's side, each edge on its own
WHITE, BLACK = 0.5, 0.75  # cumulative shares of the colours; the rest is a grey


def paint_frames(image: Tensor, valid: Tensor, probability: float) -> tuple[Tensor, Tensor]:
    """`image` and `valid` with frames over a random `probability` of the views; what is painted over is not valid.

    image (B, 3, H, W) in [0, 1]; valid (B, 1, H, W) bool; neither is changed. Drawn from torch's generator on the CPU,
    so that a device makes no difference.
    """
    count, _, height, width = image.shape
    chosen = torch.rand(count) < probability
    edges = (torch.rand(count, 4) * torch.tensor([height, height, width, width]) * WIDEST).round().long()
    kind, grey = torch.rand(count), torch.rand(count)
    colour = torch.where(kind < WHITE, torch.ones(count), torch.where(kind < BLACK, torch.zeros(count), grey))
    rows, columns = torch.arange(height).view(1, height, 1), torch.arange(width).view(1, 1, width)
    top, bottom, left, right = (edges[:, side].view(count, 1, 1) for side in range(4))
    painted = (rows < top) | (rows >= height - bottom) | (columns < left) | (columns >= width - right)
    painted = (painted & chosen.view(count, 1, 1)).unsqueeze(1).to(image.device)
    return torch.where(painted, colour.view(count, 1, 1, 1).to(image), image), valid & ~painted
