"""What stored depth means: from the numbers in a file to metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DepthCoding:
    """How stored numbers become metres.

    scale: metres = stored / scale.
    """

    scale: float = 1000.0

    def metres(self, stored: np.ndarray) -> np.ndarray:
        """stored (h, w), any kind of number -> float32 [m], 0 = invalid (not finite, or not positive)."""
        with np.errstate(over="ignore", invalid="ignore"):
            metres = stored.astype(np.float32) / np.float32(self.scale)
            metres[~(np.isfinite(metres) & (metres > 0))] = 0
        return metres
