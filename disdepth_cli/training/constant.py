"""One depth everywhere, the median of the training depth: a model that is no better has learned nothing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import few_labelled
from disdepth_cli.data.files.pair import load_pair
from disdepth_cli.errors import DataError
from disdepth_cli.training.validation import Validation
from disdepth_cli.types import DepthOutput

IMAGES = 64  # training images whose depth makes the constant


def constant_metrics(val: Validation) -> dict[str, float] | None:
    """Its metrics on the val images of a run; None without ground truth, or for a student of disparity."""
    if val.data.output_kind == "disparity" or not val.data.source.labelled("val"):
        return None
    depth = _median_depth(val.data.source)
    return val.metrics(val.predictor(Constant(depth))) if depth else None


class Constant(nn.Module):
    """The same depth [m] for every pixel of every image."""

    def __init__(self, depth: float) -> None:
        super().__init__()
        self.depth = nn.Parameter(torch.tensor(depth), requires_grad=False)

    def forward(self, image: Tensor) -> DepthOutput:
        return DepthOutput(depth=self.depth.expand(image.shape[0], 1, *image.shape[-2:]), features=[])


def _median_depth(source: DataSource) -> float | None:
    """Median depth [m] over evenly spread training images; None without any valid pixel."""
    values = []
    for item in few_labelled(source.train, IMAGES):
        try:
            depth = load_pair(item, source)[1]
        except DataError:
            continue
        if depth is not None:
            values.append(depth[depth > 0][::17])
    known = np.concatenate(values) if values else np.empty(0)
    return float(np.median(known)) if known.size else None
