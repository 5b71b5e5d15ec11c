"""What the loop is given and what it gives back: a task, a schedule, a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from disdepth_cli.config.parts import LoopOptions
from disdepth_cli.models.lg_conv import LGConv
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.types import StoredBatch

WARMUP_SHARE = 0.1  # of the one-cycle schedule


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The parameters of `module` that require a gradient."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def decay_groups(module: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW groups at one rate: matrices with weight decay, norms and biases without."""
    parameters = trainable(module)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "lr": lr, "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "lr": lr, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def student_groups(student: DepthStudent, lr: float, backbone_lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW groups: the backbone at its own rate; LG-Conv at the head's rate without weight decay.

    Norms and biases take no weight decay either.
    """
    lg = {
        id(p)
        for m in student.modules()
        if isinstance(m, LGConv)
        for n, p in m.named_parameters()
        if not n.startswith("local.")
    }
    backbone = {id(p) for p in student.encoder.net.parameters()} - lg
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in student.parameters():
        rate = backbone_lr if id(parameter) in backbone else lr
        decay = 0.0 if id(parameter) in lg or parameter.ndim <= 1 else weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    """A one-cycle schedule of so many steps. A group's peak is its rate, or that of the schedule before this one."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[group.get("max_lr", group["lr"]) for group in optimizer.param_groups],
        total_steps=steps + 1,
        # A run too short for one step of warm-up has none; at exactly nine steps torch would divide by zero.
        pct_start=WARMUP_SHARE if steps * WARMUP_SHARE >= 1 else 0.0,
        div_factor=25,
        final_div_factor=100,
        cycle_momentum=False,
    )


@dataclass(frozen=True)
class Schedule:
    """How long a run is, in optimiser steps."""

    total_steps: int
    steps_per_epoch: int
    validate_every: int = 1  # epochs

    @classmethod
    def plan(cls, loop: LoopOptions, batches_per_epoch: int) -> Schedule:
        """`max_steps` when given, else epochs; an epoch has at least one step."""
        per_epoch = max(batches_per_epoch // loop.accumulate, 1)
        return cls(loop.max_steps or loop.epochs * per_epoch, per_epoch, loop.validate_every)

    def validates_after(self, step: int) -> bool:
        """After every epoch, or every few of them, and at the end."""
        return step % (self.steps_per_epoch * self.validate_every) == 0 or step == self.total_steps


@dataclass
class Task:
    """What is learned. The loop knows nothing else of it.

    step: batch -> LossTerms; its parameters that require a gradient are trained.
    model: the part of `step` that is averaged, validated and shipped.
    validate: model -> metrics; `better` of them (smaller is better) chooses the best checkpoint.
    save: called with the averaged model and its metrics whenever they are the best so far, in the main process.
    partly_used: some parameters that require a gradient get none in a step (several processes must know).
    before_step: told how many steps of how many are done, before each one.
    """

    step: nn.Module
    model: nn.Module
    groups: list[dict[str, Any]]
    batches: Callable[[int, int], Iterator[StoredBatch]]
    validate: Callable[[nn.Module], dict[str, float]]
    save: Callable[[nn.Module, dict[str, float], int], None]
    better: str = "rmse"
    partly_used: bool = False
    before_step: Callable[[int, int], None] | None = None


@dataclass
class LoopResult:
    """best and final metrics, where the best was, and the speed of this part of the run."""

    best: dict[str, float]
    best_step: int
    final: dict[str, float]
    steps: int
    seconds: float
    images_per_second: float
    corrupt: list[str] = field(default_factory=list)
    skipped_steps: int = 0
