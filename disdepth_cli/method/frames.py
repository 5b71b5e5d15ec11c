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
    edges = (torch.rand(count, 4) * torch.tensor([height, height, width, width]) * WIDEST).round()
    kind, grey = torch.rand(count), torch.rand(count)
    colour = torch.where(kind < WHITE, torch.ones(count), torch.where(kind < BLACK, torch.zeros(count), grey))
    # What was drawn travels in one piece; frames that were not chosen have no edges.
    drawn = torch.cat([edges * chosen.unsqueeze(1), colour.unsqueeze(1)], dim=1).to(image.device, non_blocking=True)
    top, bottom, left, right, shade = (part.view(count, 1, 1) for part in drawn.unbind(dim=1))
    rows = torch.arange(height, device=image.device).view(1, height, 1)
    columns = torch.arange(width, device=image.device).view(1, 1, width)
    painted = (rows < top) | (rows >= height - bottom) | (columns < left) | (columns >= width - right)
    painted = painted.unsqueeze(1)
    return torch.where(painted, shade.unsqueeze(1).to(image.dtype), image), valid & ~painted
