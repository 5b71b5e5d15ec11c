"""How long calls take: warmed up, taken in turns, as wall and CPU time. Standard library only."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

SLOW = 5000.0  # ms of one call beyond which it is measured once: diffusion pipelines


@dataclass(frozen=True)
class Spread:
    """Least, median and 95th percentile [ms]."""

    min: float
    median: float
    p95: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Spread:
        """Of at least one measurement."""
        ordered = sorted(milliseconds)
        last = ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)]
        return cls(*(round(value, 2) for value in (ordered[0], statistics.median(ordered), last)))

    def as_dict(self) -> dict[str, float]:
        """Plain values, for JSON."""
        return asdict(self)


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU time of a call [ms]; CPU time is that of all threads of this process."""
    began, worked = time.perf_counter(), time.process_time()
    call()
    return 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked)


def in_turns(
    calls: Mapping[str, Callable[[], tuple[float, float]]], runs: int, warmup: int
) -> dict[str, tuple[Spread, Spread]]:
    """Name to wall and CPU time. calls: each makes one measurement, as `timed` does.

    Turn by turn, so that a change of the machine's speed hits all of them alike.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(warmup + runs):
        for name, call in calls.items():
            if found[name] and found[name][0][0] > SLOW:
                continue
            times = call()
            if turn >= warmup or times[0] > SLOW:
                found[name].append(times)
    return {
        name: (Spread.of([wall for wall, _ in times]), Spread.of([cpu for _, cpu in times]))
        for name, times in found.items()
    }


def this_machine() -> dict[str, Any]:
    """What a time depends on: processor, cores, its instruction sets for networks, load."""
    flags: set[str] = set()
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as described:
            for line in described:
                key, _, value = (part.strip() for part in line.partition(":"))
                name = value if key == "model name" else name
                flags |= set(value.split()) if key in ("flags", "Features") else set()
    except OSError:
        pass
    of_networks = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile", "amx_int8", "asimd", "i8mm")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "instructions": [flag for flag in of_networks if flag in flags],
        "load": load and round(load, 1),
    }
