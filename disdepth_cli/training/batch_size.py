"""`--batch-size auto`: the largest batch whose training step fits the memory, found once and kept as a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from disdepth_cli.config import TrainingConfig
from disdepth_cli.config.types import LARGEST_BATCH
from disdepth_cli.errors import TrainingError
from disdepth_cli.machine.devices import device_words, make_accelerator
from disdepth_cli.machine.failures import OUT_OF_MEMORY
from disdepth_cli.machine.join import tell_batch
from disdepth_cli.machine.memory import DeviceMemory
from disdepth_cli.machine.processes import from_all, from_main
from disdepth_cli.machine.sums import alone, world
from disdepth_cli.observer import Observer
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.training.loop.trouble import is_full
from disdepth_cli.training.trial import Trial, TrialSteps

if TYPE_CHECKING:
    from accelerate import Accelerator

MOST_ON_CPU = 8
"""An image costs a CPU as much with 16 images a step as with 8, and more with 32; see docs/research/speed.md."""

Config = TypeVar("Config", bound=TrainingConfig)


@dataclass(frozen=True)
class Found:
    """The size of the largest batch, and why it is no larger."""

    size: int
    why: str


def settle_batch_size(
    config: Config, observer: Observer, trial: Callable[[Config, Accelerator], Trial | None]
) -> Config:
    """The configuration with a number where it says `auto`: a resumed run's own, else what all processes have room for.

    trial: what would be trained; None where nothing would be.

    Raises:
        TrainingError: there is no room for one image.
        DisdepthError: what the training itself would raise.
    """
    if config.loop.batch_size != LARGEST_BATCH:
        return config
    before = from_main(lambda: _of_resumed(config))
    if before is not None:
        found = Found(before, "as this run began")
    else:
        observer.on_note("batch size: trying training steps of 1, 2, 4, ... images")
        found = min(from_all(lambda: _find(config, trial)), key=lambda one: one.size)
    observer.on_note(f"batch size: {found.size}, {found.why}")
    config = config.replaced(batch_size=found.size)
    tell_batch(config.loop, observer)
    return config


def _of_resumed(config: TrainingConfig) -> int | None:
    """The number that the run to be resumed began with."""
    if not config.run.resume or config.run.output is None:
        return None
    return RunContents(config.run.output).config().get("batch_size")


def _find(config: Config, trial: Callable[[Config, Accelerator], Trial | None]) -> Found:
    """What this process has room for. Nothing is exchanged: another process may run out of memory at another step."""
    processes = world()
    with alone():
        accelerator = make_accelerator(config.machine)
        memory = DeviceMemory(accelerator.device)
        tried = trial(config.replaced(batch_size=1, compile=False, workers=0), accelerator)
        if tried is None:
            return Found(type(config).options()["batch_size"].default, "since nothing is trained")
        most = max(tried.images // processes, 1)
        found = largest_that_fits(TrialSteps(tried, config.loop, accelerator), memory, most)
        del tried
        memory.release()
    return found


def largest_that_fits(step: Callable[[int], None], memory: DeviceMemory, most: int) -> Found:
    """The largest power of two, at most `most`, for which a step stays within the limit of the memory.

    On a GPU each size is tried. A system that runs out of main memory ends the process: there, and on MPS, a step that
    may take twice what the one before has taken is tried only where so much is free.

    Raises:
        TrainingError: not even one image fits.
    """
    on_gpu = memory.device.type not in ("cpu", "mps")
    room = most if on_gpu else min(most, MOST_ON_CPU)
    size, trial, limit = 0, 1, memory.limit
    while trial <= room:
        if not on_gpu and limit is not None and 2 * memory.taken > limit:
            break
        memory.release()
        if not _fits(step, trial) or (limit is not None and memory.taken > limit):
            break
        size, trial = trial, 2 * trial
    if not size:
        raise TrainingError(f"{device_words(memory.device)} has no memory for one image; take a smaller --input-size")
    if trial <= room:
        return Found(size, f"the largest power of two that fits {device_words(memory.device)}")
    if trial <= most:
        return Found(size, "more images a step are no faster here")
    return Found(size, f"the largest power of two within the {most} training images of a process")


def _fits(step: Callable[[int], None], size: int) -> bool:
    try:
        step(size)
    except RuntimeError as error:
        if not (is_full(error) or any(words in str(error) for words in OUT_OF_MEMORY)):
            raise
        return False
    return True
