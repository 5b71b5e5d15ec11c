"""What a model costs: parameters, FLOPs and measured latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.timing.clock import in_turns, timed
from disdepth_cli.types import ViewOrigin

WARMUP, RUNS = 2, 15


@dataclass(frozen=True)
class ModelCost:
    """parameters; FLOPs of one image (a multiply-add counts two); input HxW; and the time of one image [ms].

    latency_ms is the median of the wall time, with the least and the 95th percentile; cpu_ms the median CPU time of
    all `threads`, which other work on the machine hardly changes.
    """

    parameters: int
    flops: int
    latency_ms: float
    latency_min_ms: float
    latency_p95_ms: float
    cpu_ms: float
    threads: int
    input_size: str
    device: str
    precision: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for report.json."""
        return asdict(self)


def model_costs(predictors: Mapping[str, DepthPredictor], height: int, width: int) -> dict[str, ModelCost]:
    """Name to the cost of one image of height x width pixels, brought to each model's own input size.

    The models are timed in turns, so their times can be compared whatever else the machine does.
    """
    images = {name: _image(predictor, height, width) for name, predictor in predictors.items()}
    # What run gives is on the CPU, so a GPU has finished too.
    calls = {
        name: partial(timed, partial(predictor.run, images[name], _whole(images[name])))
        for name, predictor in predictors.items()
    }
    found = {}
    for name, (wall, cpu) in in_turns(calls, RUNS, WARMUP).items():
        predictor = predictors[name]
        found[name] = ModelCost(
            parameters=predictor.parameters,
            flops=flops_of(predictor, height, width),
            latency_ms=wall.median,
            latency_min_ms=wall.min,
            latency_p95_ms=wall.p95,
            cpu_ms=cpu.median,
            threads=torch.get_num_threads(),
            input_size="x".join(map(str, images[name].shape[2:])),
            device=str(predictor.device),
            precision=predictor.precision,
        )
    return found


def flops_of(predictor: DepthPredictor, height: int, width: int) -> int:
    """FLOPs of one image of height x width pixels, brought to the model's own input size."""
    # The counter knows no formula for the CPU's fused attention; the plain one is made of products that it counts.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        image = _image(predictor, height, width)
        predictor.run(image, _whole(image))
    return int(counter.get_total_flops())


def _image(predictor: DepthPredictor, height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, *predictor.working_size.padded(height, width))


def _whole(image: torch.Tensor) -> ViewOrigin:
    """The origin of an image that is whole: some models ask for a focal length."""
    return ViewOrigin.of_one((0.0, 0.0, 1.0, 1.0), False, 1.0, float(image.shape[-1]), {})
