"""Bootstrap intervals over images: what other images of the same kind would give.

They say nothing of other training seeds. Source: the percentile method of Efron and Tibshirani, "An Introduction to
the Bootstrap", 1993.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

DRAWS = 10_000
CHUNK = 1 << 21  # numbers drawn at once


def bootstrap_interval(
    values: ArrayLike, seed: int = 0, draws: int = DRAWS, level: float = 0.95
) -> tuple[float, float]:
    """(low, high) of the mean of values (N,), one number an image; NaN is an image without a value and left out.

    The images are drawn again, with replacement, `draws` times; the interval holds the middle `level` of the means.
    The same seed and values give the same interval. (NaN, NaN) without a value; a single one is its own interval.
    """
    known = np.asarray(values, dtype=np.float64).ravel()
    known = known[~np.isnan(known)]
    if not known.size:
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    means = np.empty(draws)
    rows = max(CHUNK // known.size, 1)
    for start in range(0, draws, rows):
        part = means[start : start + rows]
        part[:] = known[random.integers(0, known.size, (part.size, known.size))].mean(axis=1)
    low, high = np.percentile(means, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def paired_interval(
    first: ArrayLike, second: ArrayLike, seed: int = 0, draws: int = DRAWS, level: float = 0.95
) -> tuple[float, float]:
    """(low, high) of the mean of first - second, both (N,) on the same images in the same order.

    Images where either has no value (NaN) are left out. Two models' errors are alike on the same image, so this is
    narrower than the two intervals beside each other.

    Raises:
        ValueError: the two have different lengths.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape:
        raise ValueError(f"paired values are of the same images, not {one.size} and {other.size}")
    return bootstrap_interval(one - other, seed, draws, level)
