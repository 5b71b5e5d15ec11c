"""What a model costs: parameters, FLOPs and measured latency."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from disdepth_cli.predictor import DepthPredictor

WARMUP, RUNS = 2, 10


@dataclass(frozen=True)
class ModelCost:
    """parameters; FLOPs of one image (a multiply-add counts two); median latency of one image [ms]; input HxW."""

    parameters: int
    flops: int
    latency_ms: float
    input_size: str
    device: str
    precision: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for report.json."""
        return asdict(self)


def model_cost(predictor: DepthPredictor, height: int, width: int) -> ModelCost:
    """Cost of one image of height x width pixels, brought to the model's own input size."""
    rows, columns = predictor.working_size.padded(height, width)
    image = torch.rand(1, 3, rows, columns)
    # The counter knows no formula for the CPU's fused attention; the plain one is made of products that it counts.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        predictor.run(image)
    for _ in range(WARMUP):
        predictor.run(image)
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        predictor.run(image)  # ends on the CPU, so a GPU has finished too
        seconds.append(time.perf_counter() - began)
    return ModelCost(
        parameters=predictor.parameters,
        flops=int(counter.get_total_flops()),
        latency_ms=round(statistics.median(seconds) * 1000, 2),
        input_size=f"{rows}x{columns}",
        device=str(predictor.device),
        precision=predictor.precision,
    )
