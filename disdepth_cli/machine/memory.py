"""Memory of a device: what a run may take of it, and what work on it has taken at most."""

from __future__ import annotations

import gc
import math
from contextlib import suppress
from pathlib import Path

import torch

from disdepth_cli.machine.launch import local_processes
from disdepth_cli.machine.resources import free_memory, peak_memory

SHARE = 0.9
"""Of the free memory; the rest is for what a measurement does not see: fragments, other batches, validations."""
CLEAR = Path("/proc/self/clear_refs")


class DeviceMemory:
    """The memory of a device from now on. limit: bytes that may be taken of it; None where that cannot be asked.

    On a CPU its memory is the machine's, shared evenly by the processes of the run.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._before: float = math.inf
        self.release()
        free = self._free()
        self.limit = None if free is None else int(SHARE * free)

    def release(self) -> None:
        """Give back what nothing holds, and measure the most anew."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        elif self.device.type == "mps":
            torch.mps.empty_cache()
        else:
            with suppress(OSError):  # another system than Linux; then the most is that since the process began
                CLEAR.write_text("5")
        self._before = min(self._before, self._held())  # what the process has given back since hides nothing taken

    @property
    def taken(self) -> int:
        """Bytes held at most since `release`, beyond those of the beginning; 0 where that cannot be asked."""
        return int(max(self._held() - self._before, 0))

    def _held(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_reserved(self.device)
        if self.device.type == "mps":
            return torch.mps.driver_allocated_memory()
        return peak_memory() or 0

    def _free(self) -> int | None:
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0]
        if self.device.type == "mps":
            return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        free = free_memory()
        return None if free is None else free // local_processes()
