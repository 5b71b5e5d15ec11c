"""What the processes of one run tell each other before anyone acts.

Whatever one process finds out alone (an unreadable file, a signal, a full disk) is told to all of them before it has an
effect; a process that simply left would leave the others waiting. With one process nothing is exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from disdepth_cli.errors import DisdepthError, ElsewhereError
from disdepth_cli.machine.signals import WORKERS_GONE, StopSignal
from disdepth_cli.machine.sums import world
from disdepth_cli.types import StoredBatch

T = TypeVar("T")
ANSWER_WITHIN = 600.0
"""Seconds within which all processes must come to the same step. More than a loader's patience: it speaks first."""
MEANWHILE = timedelta(hours=24)
"""For the others while one works alone, on a validation, a download or an upload."""


@dataclass
class _Talk:
    """Groups over the CPU, apart from the gradients' NCCL: words between processes are no work for a GPU.

    quick: for what each step exchanges. patient: for waiting while one process works alone.
    """

    quick: Any
    patient: Any
    of: Any


_talk: _Talk | None = None


def _groups() -> _Talk:
    """Made by all processes together, at their first words."""
    global _talk
    whole: Any = dist.group.WORLD
    if _talk is None or _talk.of is not whole:
        quick = whole
        if dist.get_backend() != "gloo":
            quick = dist.new_group(backend="gloo", timeout=timedelta(seconds=ANSWER_WITHIN))
        _talk = _Talk(quick, dist.new_group(backend="gloo", timeout=MEANWHILE), whole)
    return _talk


def rank() -> int:
    """Which process this is; 0, the main one, writes files and speaks."""
    return dist.get_rank() if world() > 1 else 0


def is_main() -> bool:
    """Whether this is the process that writes and speaks."""
    return rank() == 0


def agreed(error: DisdepthError) -> DisdepthError:
    """An error that all processes raise: itself in the main one, silent in the others."""
    return error if is_main() else ElsewhereError(error.exit_code)


def gather(one: T) -> list[T]:
    """Every process's object, by rank."""
    if world() == 1:
        return [one]
    all_of_them: list[Any] = [None] * world()
    dist.all_gather_object(all_of_them, one, group=_groups().patient)
    return all_of_them


def from_main(work: Callable[[], T]) -> T:
    """What `work` gives in the main process, the only one that does it; the others wait. It must not exchange anything.

    Raises:
        ElsewhereError: in the others, when it raised in the main process.
    """
    if world() == 1:
        return work()
    message: list[Any] = [None, None]
    if not is_main():
        dist.broadcast_object_list(message, group=_groups().patient)
        failed, result = message
        if failed is not None:
            raise ElsewhereError(failed)
        return result
    try:
        result = work()
    except Exception as error:
        dist.broadcast_object_list([getattr(error, "exit_code", 1), None], group=_groups().patient)
        raise
    dist.broadcast_object_list([None, result], group=_groups().patient)
    return result


def from_all(work: Callable[[], T]) -> list[T]:
    """What `work` gives in every process, by rank. It must not exchange anything.

    Raises:
        DisdepthError: of the first process in which it raised one.
    """
    own: T | DisdepthError
    try:
        own = work()
    except DisdepthError as error:
        own = error
    results = gather(own)
    for result in results:
        if isinstance(result, DisdepthError):
            raise agreed(result)
    return results  # type: ignore[return-value]  # no errors are among them


@dataclass(frozen=True)
class Shared:
    """What all processes know of the batches they have just loaded.

    images of all of them; empty: one of them has no image; failures of all; stop: one of them was asked to stop.
    """

    images: int
    empty: bool
    failures: list[tuple[str, str]]
    stop: bool


def load_shared(batches: Iterator[StoredBatch], stop: StopSignal) -> tuple[StoredBatch, Shared]:
    """The next batch, and what all have; empty where the signal that ends the run has ended the workers too."""
    try:
        batch = next(batches)
    except WORKERS_GONE:
        if not stop.requested:
            raise
        batch = StoredBatch.collate([])
    return batch, share_batch(batch, stop.requested)


def share_batch(batch: StoredBatch, stop: bool) -> Shared:
    """Tell the others of one's batch, and be told of theirs."""
    if world() == 1:
        return Shared(len(batch), not len(batch), batch.failures, stop)
    own = [len(batch), int(not len(batch)), len(batch.failures), int(stop)]
    told = torch.tensor(own, dtype=torch.int64)
    dist.all_reduce(told, group=_groups().quick)
    images, empty, failed, stops = told.tolist()
    failures = [failure for some in gather(batch.failures) for failure in some] if failed else []
    return Shared(images, empty > 0, failures, stops > 0)


def finite_everywhere(*values: Tensor) -> list[bool]:
    """Whether each scalar, all of one device, is finite in all processes. Here the host waits for the device, once."""
    finite = torch.isfinite(torch.stack([value.detach().float() for value in values]))
    if world() > 1:
        finite = finite.to(torch.int64)
        dist.all_reduce(finite, op=dist.ReduceOp.MIN)
    return [bool(one) for one in finite.tolist()]


@torch.no_grad()
def average_norms(module: nn.Module) -> None:
    """Give batch norms that learn the mean of all processes' running statistics, so that all have one model."""
    if world() == 1:
        return
    norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm) and norm.training]
    buffers = [b for norm in norms for b in (norm.running_mean, norm.running_var) if b is not None]
    if not buffers:
        return
    flat = torch.cat([buffer.flatten() for buffer in buffers])
    dist.all_reduce(flat)
    flat /= world()
    for buffer, part in zip(buffers, flat.split([buffer.numel() for buffer in buffers]), strict=True):
        buffer.copy_(part)
