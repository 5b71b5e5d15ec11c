"""What PyTorch says when a worker dies or a device is full, in words that tell what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch

from disdepth_cli.errors import TrainingError
from disdepth_cli.machine.devices import device_words
from disdepth_cli.machine.sums import world
from disdepth_cli.types import StoredBatch

KILLED = re.compile(r"DataLoader worker \(pid (\d+)\) is killed by signal: ([^.]+)\.")
ENDED = re.compile(r"DataLoader worker \(pid\(s\) ([\d, ]+)\) exited unexpectedly")
LATE = re.compile(r"DataLoader timed out after ([\d.]+) seconds")
FULL = ("out of memory", "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED")


def of_worker(error: RuntimeError, run: Path) -> TrainingError | None:
    """A worker's death or silence as one line; None where the error is another one."""
    said = str(error)
    again = f"go on with --resume -o {run}"
    if found := KILLED.search(said):
        number, signal = found.groups()
        if "bus" in signal.lower():
            why = "shared memory is full: give it more (docker run --shm-size 1g), or --workers 0"
        else:
            why = "mostly for lack of memory: take fewer --workers or a smaller --batch-size"
        return TrainingError(f"worker {number}, which reads images, was killed by signal: {signal}; {why}; {again}")
    if found := ENDED.search(said):
        why = "killed, mostly for lack of memory: take fewer --workers or a smaller --batch-size"
        return TrainingError(f"worker {found[1]}, which reads images, has ended without a word ({why}); {again}")
    if found := LATE.search(said):
        why = "look at the disk or the network the data comes from, or read in this process with --workers 0"
        return TrainingError(f"no images came from the workers for {float(found[1]):g} s; {why}; {again}")
    return None


def is_full(error: RuntimeError) -> bool:
    """Whether the error is a device's that has no memory left."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or any(word in str(error) for word in FULL)


def of_memory(
    batch: StoredBatch, accumulate: int, device: torch.device, attempt: Callable[[StoredBatch], object], run: Path
) -> TrainingError:
    """A full device as one line, with the batch size that fits, which is tried here.

    attempt: a step's forward and backward for a batch.
    """
    count = len(batch)
    fits = largest_that_fits(batch, device, attempt) if world() == 1 else None
    if fits is None:
        advice = "take a smaller --batch-size or --input-size"
    else:
        more = -(-count * accumulate // fits)
        advice = f"--batch-size {fits} fits; with --accumulate {more} a step has as many images"
    return TrainingError(
        f"{device_words(device)} is out of memory at --batch-size {count}; {advice}; nothing of {run} is lost, but its "
        "options change: start a new run"
    )


def largest_that_fits(batch: StoredBatch, device: torch.device, attempt: Callable[[StoredBatch], object]) -> int | None:
    """How many of a batch's images fit, found by halving; None: not even one."""
    count = len(batch) // 2
    while count:
        if device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            attempt(batch.first(count))
            return count
        except RuntimeError as error:
            if not is_full(error):
                raise
        count //= 2
    return None
