"""What of a machine a run may use: cores, shared memory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch

from disdepth_cli.machine.launch import local_processes

SHARED_MEMORY = Path("/dev/shm")
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
MOST_WORKERS = 16
WORKERS_OF_CPU = 2


def worker_count(workers: int | None, device: torch.device) -> int:
    """How many workers read images; None: by cores. A GPU is fed by all but one core; on a CPU training needs them."""
    if workers is not None:
        return workers
    share = processor_share()
    return min(share, WORKERS_OF_CPU) if device.type == "cpu" else min(max(share - 1, 1), MOST_WORKERS)


def processor_share() -> int:
    """CPU cores that a process of this run may use: those given to it, by affinity and by cgroup, shared evenly."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(min(cores, _quota() or cores) // local_processes(), 1)


def free_shared_memory() -> int | None:
    """Bytes that the processes of this machine may still share; None where that cannot be asked."""
    try:
        return shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return None


def _quota() -> int | None:
    """Cores of a container, rounded up; None without a limit."""
    try:
        quota, period = CPU_QUOTA.read_text(encoding="ascii").split()
        return None if quota == "max" else max(-(-int(quota) // int(period)), 1)
    except (OSError, ValueError):
        return None
