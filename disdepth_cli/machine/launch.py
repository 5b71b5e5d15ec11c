"""How many processes a launcher started, and which this one is. No torch: the command line asks before all else."""

from __future__ import annotations

import os

RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
LOCAL_RANKS = ("LOCAL_RANK", "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK")
LOCAL_SIZES = ("LOCAL_WORLD_SIZE", "MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE")
"""torchrun and accelerate launch set the first; mpirun one of the others. The same that accelerate reads."""


def launched() -> tuple[int, int]:
    """(rank, number of processes); (0, 1) for a plain start, or where a number is set and no rank."""
    world, rank = _first(SIZES, 1), _first(RANKS, -1)
    return (rank, world) if world > 1 and rank >= 0 else (0, 1)


def size_without_rank() -> str | None:
    """A variable that says there are several processes, where no launcher says which one this is: schedulers and
    container images leave it behind."""
    if _first(RANKS, -1) >= 0:
        return None
    return next((f"{name}={os.environ[name]}" for name in SIZES if _first((name,), 1) > 1), None)


def local_rank() -> int:
    """Which process of this machine this one is, from 0."""
    return _first(LOCAL_RANKS, 0)


def local_processes() -> int:
    """How many processes were launched on this machine."""
    return _first(LOCAL_SIZES, launched()[1])


def fell_short() -> bool:
    """Whether `accelerate launch --cpu` was asked for several processes: without its mpirun it starts one all the
    same, and says nothing."""
    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true" and "MASTER_ADDR" in os.environ
    return asked and not any(name in os.environ for name in ("LOCAL_RANK", *SIZES))


def _first(names: tuple[str, ...], default: int) -> int:
    """The first of the environment's variables that holds a number."""
    for name in names:
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return default
