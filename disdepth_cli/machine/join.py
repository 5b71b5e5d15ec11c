"""How the processes of a run come together, and which one speaks when it ends badly."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch.distributed as dist

from disdepth_cli.config import TrainingConfig
from disdepth_cli.errors import ConfigError, ElsewhereError, ProcessError, TrainingError
from disdepth_cli.machine.devices import (
    device_words,
    make_accelerator,
    set_device,
    student_precision,
    teacher_precision,
    unused_gpu,
)
from disdepth_cli.machine.launch import fell_short, launched, size_without_rank
from disdepth_cli.machine.processes import ANSWER_WITHIN, is_main
from disdepth_cli.machine.resources import worker_count
from disdepth_cli.machine.sums import world
from disdepth_cli.observer import SILENT, Observer

PRECEDENCE = 0.5  # seconds that the main process is given to tell of an error that all of them have
LAST_WORDS = 1.5  # seconds the others wait, since a launcher ends all once one has ended
NO_ANSWER = ("Timed out", "timed out", "timeout")
GONE = ("gloo", "Connection closed by peer", "Connection reset by peer", "remote process exited", "NCCL")
"""What an error of the network between processes says when another one does not answer, and when it is gone."""

_inside = False
_runs = 0  # so far in this process, the same in all of them


@contextmanager
def joined_processes(config: TrainingConfig, observer: Observer) -> Iterator[Observer]:
    """Join the processes that were launched; yields the observer, a silent one in all but the main process.

    Of an error that several processes have, or that follows from another's, one process tells: in it the error comes
    out as it is (as `ProcessError` where it is not the main one), in the others as `ElsewhereError`.

    Raises:
        ConfigError: processes were launched in a way that they cannot find each other.
    """
    global _inside, _runs
    number, count = launched()
    if _inside:
        yield observer
        return
    _inside, _runs = True, _runs + 1
    try:
        if count == 1:
            _tell_machine(config, observer)
            yield observer
            return
        with _joined(config, number, count, observer) as observer:
            yield observer
    finally:
        _inside = False


@contextmanager
def _joined(config: TrainingConfig, number: int, count: int, observer: Observer) -> Iterator[Observer]:
    lock: dist.Store | None = None
    try:
        lock = _join(config, count)
        _tell_machine(config, observer if is_main() else SILENT)
        _tell_batch(config, observer if is_main() else SILENT)
        yield observer if is_main() else SILENT
    except ElsewhereError:
        time.sleep(LAST_WORDS)
        raise
    except Exception as error:
        _leave_others_alone()
        if number:
            time.sleep(PRECEDENCE)
        if not (_is_first(lock) if lock else number == 0):
            time.sleep(LAST_WORDS)
            raise ElsewhereError(getattr(error, "exit_code", 1)) from error
        error = _worded(error)
        if number == 0:
            raise error
        raise ProcessError(number, error) from error


def _join(config: TrainingConfig, count: int) -> dist.Store:
    """Meet the others; the store they tell each other of failures by."""
    fresh = not (dist.is_available() and dist.is_initialized())
    found = make_accelerator(config.machine).num_processes
    if found != count:
        raise ConfigError(
            f"{count} processes were launched, but they do not find each other; launch them with: torchrun "
            "--nproc-per-node N -m disdepth_cli ..."
        )
    if fresh:
        atexit.register(_part)
    host, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ.get("MASTER_PORT", "29500"))
    return dist.TCPStore(host, port, is_master=False, timeout=timedelta(seconds=30))


def _worded(error: Exception) -> Exception:
    """An error of the network between processes for people, with its own first line, which names the cause it has."""
    said = str(error)
    if not isinstance(error, RuntimeError) or not any(word in said for word in GONE):
        return error
    own = next((line.strip() for line in said.splitlines() if line.strip()), type(error).__name__)[:300]
    if any(word in said for word in NO_ANSWER):
        what = f"another process of this run has not answered for {ANSWER_WITHIN:g} s (stopped, or far slower)"
    elif "NCCL" in said and not any(word in said for word in GONE[1:4]):
        what = "the network between the GPUs (NCCL) failed; NCCL_DEBUG=INFO tells more"
    else:
        what = "another process of this run has ended without a word (killed, or out of memory)"
    return TrainingError(f"{what}; PyTorch says: {own}")


def _part() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _leave_others_alone() -> None:
    """After a failure there is nobody left to take leave of in good order."""
    atexit.unregister(_part)


def _is_first(lock: dist.Store) -> bool:
    try:
        return lock.add(f"disdepth/failed/{_runs}", 1) == 1
    except RuntimeError:  # the store is gone with the process that held it, which has failed
        return False


def _tell_machine(config: TrainingConfig, observer: Observer) -> None:
    """What the run runs on, and what of the machine it cannot use."""
    machine = config.machine
    device = set_device(machine.device)
    own, teacher = student_precision(machine.precision, device), teacher_precision(machine.precision, device)
    precision = own if own == teacher else f"{own}, the teacher {teacher}"
    workers = worker_count(machine.workers, device)
    processes = f"{world()} process{'es' if world() > 1 else ''}"
    trouble = unused_gpu() if machine.device == "auto" and device.type == "cpu" else None
    observer.on_note(f"device: {device_words(device)}, precision {precision}, {workers} workers, {processes}")
    if trouble:
        observer.on_warning(f"{trouble}; this run uses the CPU")
    if (leftover := size_without_rank()) is not None:
        observer.on_warning(f"{leftover} is set, but no launcher has set a rank: this is one process")
    if fell_short():
        message = "`accelerate launch --cpu` starts one process, whatever --num_processes; for several: torchrun"
        observer.on_warning(f"{message} --nproc-per-node N -m disdepth_cli ...")


def _tell_batch(config: TrainingConfig, observer: Observer) -> None:
    per_step = config.loop.batch_size * config.loop.accumulate
    observer.on_note(
        f"{world()} processes, {per_step * world()} images a step ({per_step} each); the learning rate is taken as "
        "given, and batch norm uses each process's own images"
    )
