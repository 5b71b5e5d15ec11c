"""What steps tell of themselves: their losses stay on the device until several steps are read at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from disdepth_cli.observer import Observer, Progress
from disdepth_cli.types import LossTerms

READ_EVERY = 10
"""Steps between two reads of a device; a CPU is read at each step, where it costs nothing."""


class StepLog:
    """Keeps the losses of the last steps and tells the observer of each step, in order, once they were read."""

    def __init__(self, observer: Observer, device: torch.device) -> None:
        self.observer = observer
        self.every = 1 if device.type == "cpu" else READ_EVERY
        self._waiting: list[tuple[Progress, list[str], list[Tensor]]] = []

    def add(self, progress: Progress, terms: Sequence[LossTerms], share: float) -> None:
        """progress: of a step, its parts still empty; terms of its batches, each of which counts by `share`."""
        sums: dict[str, Tensor] = {}
        for one in terms:
            for name, value in {"loss": one.total, **one.parts, **one.shares}.items():
                value = value.detach().float() * share
                sums[name] = sums[name] + value if name in sums else value
        self._waiting.append((progress, list(sums), list(sums.values())))
        if len(self._waiting) >= self.every:
            self.tell()

    def tell(self) -> None:
        """Read what is waiting, in one piece, and tell of it."""
        waiting, self._waiting = self._waiting, []
        values = [value for _, _, some in waiting for value in some]
        numbers = iter(torch.stack(values).tolist() if values else ())
        for progress, names, _ in waiting:
            told = replace(progress, parts={name: next(numbers) for name in names})
            self.observer.on_step(told)
