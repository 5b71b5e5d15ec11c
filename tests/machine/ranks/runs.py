"""Run by torchrun: whole, stopped and resumed runs, and what befalls one process alone.

python runs.py DATA SPOILT OUT: each process writes OUT/rank<N>.json, what it saw of every run.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from disdepth_cli import distill
from disdepth_cli.errors import DisdepthError
from disdepth_cli.method import distill_step
from disdepth_cli.observer import Silent
from disdepth_cli.training.loop.loop import TrainingLoop

DATA, SPOILT, OUT = map(Path, sys.argv[1:])
RANK = int(os.environ["RANK"])
TINY: dict[str, Any] = {
    "input_size": "64x96",
    "batch_size": 2,
    "workers": 0,
    "device": "cpu",
    "pretrained": False,
    "offline": True,
    "distill": False,
    "save_every": 0,
    "max_steps": 5,  # 4 steps an epoch
}
fits: list[TrainingLoop] = []
started = TrainingLoop.run_to_the_end


def remember(fit: TrainingLoop) -> Any:
    fits.append(fit)
    return started(fit)


class Watcher(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def on_warning(self, message: str) -> None:
        self.said.append(message)

    on_note = on_warning


def run(name: str, **options: Any) -> dict[str, Any]:
    """What this process saw of a run: its report or error, its words, and the weights it ends with."""
    fits.clear()
    watcher = Watcher()
    seen: dict[str, Any] = {"said": watcher.said}
    try:
        options = {"data": DATA, **TINY, **options}
        seen["report"] = distill(output=OUT / name, observers=[watcher], **options).as_dict()
    except DisdepthError as error:
        seen |= {"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
    if fits:
        weights = (*fits[0].averaged.state_dict().values(), *fits[0].task.step.state_dict().values())
        seen["weights"] = hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights)).hexdigest()
        seen["done"], seen["skipped"], seen["images"] = fits[0].done, fits[0].skips.steps, fits[0].images
    return seen


def after_step(number: int, act: Callable[[], None]) -> Callable[[], None]:
    """Let `act` happen in process 1, and only there, at the end of a step; returns what undoes it."""
    whole = TrainingLoop.take_step

    def one_step(fit: TrainingLoop, *args: Any) -> bool:
        taken = whole(fit, *args)
        if RANK == 1 and fit.done == number:
            act()
        return taken

    TrainingLoop.take_step = one_step
    return lambda: setattr(TrainingLoop, "take_step", whole)


def spoil(steps: set[int]) -> Callable[[], None]:
    """The loss of these steps (the first is 1) is NaN in process 1 alone."""
    whole, calls = distill_step.silog, iter(range(1, 1000))

    def silog(*args: Any) -> torch.Tensor:
        return whole(*args) * (float("nan") if next(calls) in steps and RANK == 1 else 1.0)

    distill_step.silog = silog
    return lambda: setattr(distill_step, "silog", whole)


def fill(images: int) -> Callable[[], None]:
    """The device of process 1 alone is out of memory with so many images and more."""
    whole = distill_step.DistillStep.forward

    def forward(step: Any, batch: Any) -> Any:
        if RANK == 1 and len(batch) >= images:
            raise torch.OutOfMemoryError("out of memory")
        return whole(step, batch)

    distill_step.DistillStep.forward = forward
    return lambda: setattr(distill_step.DistillStep, "forward", whole)


def main() -> None:
    TrainingLoop.run_to_the_end = remember
    seen = {"whole": run("whole")}
    undo = after_step(2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    seen["stopped"] = run("stopped")
    undo()
    seen["resumed"] = run("stopped", resume=True)
    undo = spoil({2, 4})
    seen["non-finite"] = run("non-finite")
    undo()
    undo = spoil({2, 3})
    seen["too often"] = run("too often", max_nonfinite=2)
    undo()
    # One image a process: the process that meets an unreadable one has nothing left.
    seen["unreadable"] = run("unreadable", data=SPOILT, batch_size=1, max_steps=9, max_corrupt=2)
    seen["too many"] = run("too many", data=SPOILT, batch_size=1, max_steps=9, max_corrupt=1)
    seen["again"] = run("whole")
    undo = fill(images=3)
    seen["auto"] = run("auto", batch_size="auto", max_steps=2)
    undo()
    seen["accumulated"] = run("accumulated", accumulate=2, max_steps=3)
    (OUT / f"rank{RANK}.json").write_text(json.dumps(seen))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
