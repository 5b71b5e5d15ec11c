"""How the processes of a run come together, and which one speaks when it ends badly."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

from disdepth_cli.config.parts import LoopOptions, MachineOptions
from disdepth_cli.config.types import LARGEST_BATCH
from disdepth_cli.errors import ConfigError, ProcessError, TrainingError, first_line
from disdepth_cli.machine.devices import (
    device_words,
    make_accelerator,
    set_device,
    student_precision,
    teacher_precision,
    unused_gpu,
)
from disdepth_cli.machine.failures import first_failure, start_without_error, write_own
from disdepth_cli.machine.launch import fell_short, launched, size_without_rank
from disdepth_cli.machine.processes import ANSWER_WITHIN, is_main
from disdepth_cli.machine.resources import worker_count
from disdepth_cli.machine.sums import world
from disdepth_cli.observer import SILENT, Observer

NO_ANSWER = ("Timed out", "timed out", "timeout")
GONE = ("gloo", "Connection closed by peer", "Connection reset by peer", "remote process exited", "NCCL")
"""What an error of the network between processes says when another one does not answer, and when it is gone."""

_inside = False


@contextmanager
def joined_processes(machine: MachineOptions, loop: LoopOptions, observer: Observer) -> Iterator[Observer]:
    """Join the processes that were launched; yields the observer, a silent one in all but the main process.

    Every process writes the error that ends it to a file, see `failures`. Where another process was the first to fail,
    the main one raises that process's error.

    Raises:
        ProcessError: in the main process; another one has failed.
        ConfigError: processes were launched in a way that they cannot find each other.
    """
    global _inside
    number, count = launched()
    if _inside:
        yield observer
        return
    _inside = True
    try:
        if count == 1:
            _tell_machine(machine, observer)
            yield observer
            return
        with _joined(machine, loop, number, count, observer) as observer:
            yield observer
    finally:
        _inside = False


@contextmanager
def _joined(
    machine: MachineOptions, loop: LoopOptions, number: int, count: int, observer: Observer
) -> Iterator[Observer]:
    start_without_error()
    try:
        _join(machine, count)
        _tell_machine(machine, observer if is_main() else SILENT)
        tell_batch(loop, observer if is_main() else SILENT)
        yield observer if is_main() else SILENT
    except Exception as error:
        _leave_others_alone()
        lost = _lost_another(error)
        if lost is None:
            write_own(error)
            raise
        if number == 0 and (first := first_failure()) is not None:
            raise ProcessError(first.line, first.exit_code) from error
        write_own(lost, follows=True)
        raise lost from error


def _join(machine: MachineOptions, count: int) -> None:
    """Meet the others."""
    fresh = not (dist.is_available() and dist.is_initialized())
    found = make_accelerator(machine).num_processes
    if found != count:
        raise ConfigError(
            f"{count} processes were launched, but they do not find each other; launch them with: torchrun "
            "--nproc-per-node N -m disdepth_cli ..."
        )
    if fresh:
        atexit.register(_part)


def _lost_another(error: Exception) -> TrainingError | None:
    """An error of the network between processes for people, with its own first line; None for any other error."""
    said = str(error)
    if not isinstance(error, RuntimeError) or not any(word in said for word in GONE):
        return None
    if any(word in said for word in NO_ANSWER):
        what = f"another process of this run has not answered for {ANSWER_WITHIN:g} s (stopped, or far slower)"
    elif "NCCL" in said and not any(word in said for word in GONE[1:4]):
        what = "the network between the GPUs (NCCL) failed; NCCL_DEBUG=INFO tells more"
    else:
        what = "another process of this run has ended without a word (killed, or out of memory)"
    return TrainingError(f"{what}; PyTorch says: {first_line(error)}")


def _part() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _leave_others_alone() -> None:
    """After a failure there is nobody left to take leave of in good order."""
    atexit.unregister(_part)


def _tell_machine(machine: MachineOptions, observer: Observer) -> None:
    """What the run runs on, and what of the machine it cannot use."""
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


def tell_batch(loop: LoopOptions, observer: Observer) -> None:
    """What several processes make of the batch size, once it is known."""
    if world() == 1 or loop.batch_size == LARGEST_BATCH:
        return
    per_step = loop.batch_size * loop.accumulate
    observer.on_note(
        f"{world()} processes, {per_step * world()} images a step ({per_step} each); the learning rate is taken as "
        "given, and batch norm uses each process's own images"
    )
