"""Ridge regression with a free bias, as adapters and the start of a random backbone both solve it."""

from __future__ import annotations

import torch
from torch import Tensor


def with_one(x: Tensor) -> Tensor:
    """(rows, N) -> (rows, N + 1): the last column is the bias's."""
    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)


def ridge_solution(gram: Tensor, product: Tensor, ridge: float) -> Tensor:
    """Weights (N + 1, C), the last row a bias, of x.T x (N + 1, N + 1) and x.T y (N + 1, C), x by `with_one`.

    ridge: of the mean of what the inputs have on the diagonal.
    """
    penalty = ridge * gram.diagonal()[:-1].mean().clamp(min=1e-12) * torch.ones(len(gram), dtype=gram.dtype)
    penalty[-1] = 0  # the bias is free
    return torch.linalg.solve(gram + torch.diag(penalty), product)
