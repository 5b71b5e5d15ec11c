"""Everything needed to go on with a run, as plain tensors and JSON: no pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Parts:
    """The parts of a run that carry state; ema and scaler may be missing."""

    step: nn.Module
    ema: nn.Module | None
    optimizer: torch.optim.Optimizer
    scaler: Any

    def modules(self) -> dict[str, nn.Module]:
        """The modules by the prefix of their tensors."""
        return {"step.": self.step} | ({"ema.": self.ema} if self.ema is not None else {})


def pack(parts: Parts, counters: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights, averages and the optimiser's moments as tensors; counters, rates and loss scale as JSON values."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in parts.modules().items():
        tensors |= {prefix + name: value for name, value in module.state_dict().items()}
    moments = parts.optimizer.state_dict()["state"]
    tensors |= {f"optimizer.{index}.{name}": value for index, of in moments.items() for name, value in of.items()}
    rates = [group["lr"] for group in parts.optimizer.param_groups]
    scaler = parts.scaler.state_dict() if parts.scaler is not None else None
    return tensors, {**counters, "rates": rates, "scaler": scaler}


def unpack(parts: Parts, tensors: dict[str, Tensor], state: dict[str, Any]) -> dict[str, Any]:
    """Put back what `pack` took; returns the counters."""
    for prefix, module in parts.modules().items():
        module.load_state_dict(_under(tensors, prefix), strict=True)
    weights = [weight for group in parts.optimizer.param_groups for weight in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under(tensors, "optimizer.").items():
        index, name = key.split(".", 1)
        moments.setdefault(int(index), {})[name] = _laid_out(value, weights[int(index)])
    groups = parts.optimizer.state_dict()["param_groups"]
    parts.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    for group, rate in zip(parts.optimizer.param_groups, state["rates"], strict=True):
        group["lr"] = rate
    if parts.scaler is not None and state["scaler"]:
        parts.scaler.load_state_dict(state["scaler"])
    return state


def _laid_out(value: Tensor, weight: Tensor) -> Tensor:
    """A moment with its weight's strides: in one memory format, many weights are updated by one kernel."""
    if value.shape != weight.shape:
        return value
    return torch.empty_like(weight, dtype=value.dtype, device=value.device, requires_grad=False).copy_(value)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
