"""The two heads of AdaBins (arXiv 2011.14141): adaptive bin centres and per-pixel bin probabilities."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BinHead(nn.Module):
    """depth(p) = sum_i prob_i(p) * centre_i, with centres in (min_depth, max_depth) [m].

    finest (B, D, h, w), coarsest (B, D, h', w') -> depth (B, 1, h, w) [m], logits (B, N, h, w), centres (B, N) [m].
    """

    def __init__(self, channels: int, bins: int, min_depth: float, max_depth: float) -> None:
        super().__init__()
        self.min_depth, self.max_depth = min_depth, max_depth
        self.logits = nn.Conv2d(channels, bins, 3, padding=1)
        self.widths = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, bins))
        last = self.widths[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)  # equal bins at the start
        nn.init.zeros_(last.bias)

    def forward(self, finest: Tensor, coarsest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = self.logits(finest)
        widths = self.widths(coarsest.mean(dim=(2, 3)))
        with torch.autocast(finest.device.type, enabled=False):  # metres want float32
            share = widths.float().softmax(dim=1)
            upper = self.min_depth + (self.max_depth - self.min_depth) * share.cumsum(dim=1)
            lower = upper - (self.max_depth - self.min_depth) * share
            centres = (lower + upper) / 2  # (B, N)
            probabilities = logits.float().softmax(dim=1)
            depth = torch.einsum("bnhw,bn->bhw", probabilities, centres).unsqueeze(1)
        return depth, logits, centres
