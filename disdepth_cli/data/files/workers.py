"""Work done ahead of who needs it, in threads, with the results in order."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2

from disdepth_cli.errors import DataError

Input = TypeVar("Input")
Output = TypeVar("Output")

AHEAD = 2  # inputs a thread that may be under way or wait to be asked for


def map_ahead(call: Callable[[Input], Output], inputs: Iterable[Input], threads: int) -> Iterator[Output]:
    """`call` of each input, in the inputs' order whatever the number of threads; what a call raises comes out here.

    Inputs are drawn by the caller's own thread, at most 2 a thread ahead of the result that is asked for, so memory
    stays bounded. 0 threads: each call is made when its result is asked for.

    Threads, not processes: decoders, OpenCV and NumPy let other threads run while they work, and nothing is copied from
    one process to another.
    """
    if threads < 1:
        yield from map(call, inputs)
        return
    waiting: deque[Future[Output]] = deque()
    pool, wait = ThreadPoolExecutor(threads, thread_name_prefix="ahead"), True
    try:
        for one in inputs:
            waiting.append(pool.submit(call, one))
            if len(waiting) > AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except KeyboardInterrupt:  # a call may take long, as a download does
        wait = False
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)


def check_workers(workers: int) -> None:
    """Refuse workers that the system has no semaphores for: PyTorch would fail while it starts them, with a traceback.

    Raises:
        DataError: it has too few; they lie in shared memory.
    """
    try:  # a queue each, and what PyTorch needs besides: let go at once
        [multiprocessing.Queue() for _ in range(workers + 3 if workers else 0)]
    except OSError as error:
        raise DataError(
            f"{workers} workers cannot be started ({error.strerror}): shared memory or the number of open files is too "
            "small; give more (docker run --shm-size 1g, ulimit -n 4096), or take --workers 0"
        ) from None


def start_worker(worker: int) -> None:
    """One thread a worker, and Ctrl-C is the parent's affair: it saves the run and ends its workers."""
    import torch  # who only reads data does without it

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
