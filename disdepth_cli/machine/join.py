"""How the processes of a run come together, and which one speaks when it ends badly."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch.distributed as dist

from disdepth_cli.config import LoopConfig
from disdepth_cli.errors import ConfigError, ElsewhereError, ProcessError, TrainingError
from disdepth_cli.machine.devices import make_accelerator
from disdepth_cli.machine.launch import fell_short, launched, size_without_rank
from disdepth_cli.machine.processes import is_main
from disdepth_cli.machine.sums import world
from disdepth_cli.observer import Observer

PRECEDENCE = 0.5  # seconds that the main process is given to tell of an error that all of them have
LAST_WORDS = 1.5  # seconds the others wait, since a launcher ends all once one has ended
BREAKS = ("gloo", "Connection closed by peer", "Connection reset by peer", "NCCL")
"""What an error says when the process at the other end is gone."""

_inside = False
_runs = 0  # so far in this process, the same in all of them


@contextmanager
def together(config: LoopConfig, observers: Sequence[Observer]) -> Iterator[Sequence[Observer]]:
    """Join the processes that were launched; yields the observers, none of them but in the main process.

    Of an error that several processes have, or that follows from another's, one process tells: in it the error comes
    out as it is (as `ProcessError` where it is not the main one), in the others as `ElsewhereError`.

    Raises:
        ConfigError: processes were launched in a way that they cannot find each other.
    """
    global _inside, _runs
    number, count = launched()
    if _inside or count == 1:
        if not _inside and (leftover := size_without_rank()) is not None:
            for observer in observers:
                observer.on_warning(f"{leftover} is set, but no launcher has set a rank: this is one process")
        if not _inside and fell_short():
            message = "`accelerate launch --cpu` starts one process, whatever --num_processes; for several: torchrun"
            for observer in observers:
                observer.on_warning(f"{message} --nproc-per-node N -m disdepth_cli ...")
        yield observers
        return
    lock: dist.Store | None = None
    _inside, _runs = True, _runs + 1
    try:
        lock = _join(config, count)
        _tell_batch(config, observers if is_main() else ())
        yield observers if is_main() else ()
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
        if any(word in str(error) for word in BREAKS) and isinstance(error, RuntimeError):
            error = TrainingError("another process of this run has ended without a word (killed, or out of memory)")
        if number == 0:
            raise error
        raise ProcessError(number, error) from error
    finally:
        _inside = False


def _join(config: LoopConfig, count: int) -> dist.Store:
    """Meet the others; the store they tell each other of failures by."""
    fresh = not (dist.is_available() and dist.is_initialized())
    found = make_accelerator(config).num_processes
    if found != count:
        raise ConfigError(
            f"{count} processes were launched, but they do not find each other; launch them with: torchrun "
            "--nproc-per-node N -m disdepth_cli ..."
        )
    if fresh:
        atexit.register(_part)
    host, port = os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ.get("MASTER_PORT", "29500"))
    return dist.TCPStore(host, port, is_master=False, timeout=timedelta(seconds=30))


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


def _tell_batch(config: LoopConfig, observers: Sequence[Observer]) -> None:
    per_step = config.batch_size * config.accumulate
    for observer in observers:
        observer.on_note(
            f"{world()} processes, {per_step * world()} images a step ({per_step} each); the learning rate is taken as "
            "given, and batch norm uses each process's own images"
        )
