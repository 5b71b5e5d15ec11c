"""The two heads of AdaBins (arXiv 2011.14141): adaptive bin centres and per-pixel bin probabilities."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BinHead(nn.Module):
    """depth(p) = sum_i prob_i(p) * centre_i, with centres in (min_depth, max_depth) [m].

    finest (B, D, h, w), coarsest (B, D, h', w') -> depth (B, 1, h, w) [m], logits (B, N, h, w), centres (B, N) [m].

    With `for_prediction` the centres are one linear map of the bins' shares of the range, and the depth is one matrix
    product of exp(logits). Both are exact, and runtimes for devices compute them faster and more precisely than a
    cumulative sum and a softmax. Their gradients would lose digits.
    """

    to_centres: Tensor

    def __init__(self, channels: int, bins: int, min_depth: float, max_depth: float) -> None:
        super().__init__()
        self.min_depth, self.max_depth = min_depth, max_depth
        self.logits = nn.Conv2d(channels, bins, 3, padding=1)
        self.widths = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, bins))
        last = self.widths[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)  # equal bins at the start
        nn.init.zeros_(last.bias)
        self.for_prediction = False
        # centre_i = min_depth + range * (share_1 + ... + share_{i-1} + share_i / 2)
        triangle = torch.ones(bins, bins).tril() - 0.5 * torch.eye(bins)
        self.register_buffer("to_centres", (max_depth - min_depth) * triangle, persistent=False)

    def forward(self, finest: Tensor, coarsest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = self.logits(finest)
        widths = self.widths(coarsest.mean(dim=(2, 3)))
        dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32  # metres want float32
        with torch.autocast(finest.device.type, enabled=False):
            share, logits_ = widths.to(dtype).softmax(dim=1), logits.to(dtype)
            if not self.for_prediction:
                upper = self.min_depth + (self.max_depth - self.min_depth) * share.cumsum(dim=1)
                centres = upper - (self.max_depth - self.min_depth) / 2 * share
                return softmax_expectation(logits_, centres), logits, centres
            centres = self.min_depth + nn.functional.linear(share, self.to_centres.to(dtype))  # (B, N)
            return expectation(logits_, centres), logits, centres


def softmax_expectation(logits: Tensor, centres: Tensor) -> Tensor:
    """As `expectation`, with exact gradients."""
    return torch.einsum("bnhw,bn->bhw", logits.softmax(dim=1), centres).unsqueeze(1)


def expectation(logits: Tensor, centres: Tensor) -> Tensor:
    """softmax(logits)-weighted mean of the centres: logits (B, N, h, w), centres (B, N) -> (B, 1, h, w)."""
    highest = logits.amax(dim=1, keepdim=True).detach()  # it cancels out, and keeps exp from overflowing
    weights = (logits - highest).exp().flatten(2)  # (B, N, h w)
    sums = torch.stack([torch.ones_like(centres), centres], dim=1) @ weights  # (B, 2, h w): of weights, of depths
    return (sums[:, 1:] / sums[:, :1]).unflatten(2, logits.shape[2:])
