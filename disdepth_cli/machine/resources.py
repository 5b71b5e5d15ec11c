"""What of a machine a run may use: cores, memory, open files. Imports no PyTorch."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from disdepth_cli.machine.launch import local_processes

if TYPE_CHECKING:
    import torch

SHARED_MEMORY = Path("/dev/shm")
CONTAINER = Path("/sys/fs/cgroup")
CPU_QUOTA = CONTAINER / "cpu.max"
STATUS, MEMORY = Path("/proc/self/status"), Path("/proc/meminfo")
MOST_WORKERS = 16
WORKERS_OF_CPU = 2
LEAST_FILES, WANTED_FILES = 128, 4096


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


def peak_memory() -> int | None:
    """The most bytes of main memory that this process has held; None where the system does not say.

    Not getrusage's: on Linux that begins with what the process that started this one held.
    """
    return _value_of(STATUS, "VmHWM:", 1024)


def free_memory() -> int | None:
    """Bytes of main memory that may still be taken, in the machine and the container; None where that is not known."""
    free = [_value_of(MEMORY, "MemAvailable:", 1024), _free_of_container()]
    return min((known for known in free if known is not None), default=None)


def _free_of_container() -> int | None:
    """None without a limit. Its use includes files that are only kept for the next reader."""
    try:
        limit, used = (int((CONTAINER / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):
        return None
    return max(limit - used + (_value_of(CONTAINER / "memory.stat", "inactive_file ", 1) or 0), 0)


def _value_of(file: Path, name: str, unit: int) -> int | None:
    """The number after a name in one of the system's files, times a unit."""
    try:
        with open(file, encoding="utf-8") as lines:
            return next(int(line.removeprefix(name).split()[0]) * unit for line in lines if line.startswith(name))
    except (OSError, ValueError, StopIteration):
        return None


def too_few_files() -> str | None:
    """Raise the number of files that may be open as far as the system lets; one line where that is too few."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        except (OSError, ValueError):  # macOS has a limit of its own
            pass
    if soft == resource.RLIM_INFINITY or soft >= LEAST_FILES:
        return None
    return f"only {soft} files may be open at a time (ulimit -n), at least {LEAST_FILES} are needed; raise the limit"


def _quota() -> int | None:
    """Cores of a container, rounded up; None without a limit."""
    try:
        quota, period = CPU_QUOTA.read_text(encoding="ascii").split()
        return None if quota == "max" else max(-(-int(quota) // int(period)), 1)
    except (OSError, ValueError):
        return None
