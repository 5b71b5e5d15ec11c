"""What a student's training images were like, in the means of its backbone's channels: a sign that an image is not."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

LEVEL = 1  # of the backbone's features: stride 8, which told photographs from rooms best
FEWEST = 20  # images that say what is usual
USUAL = 95  # per cent of the training images
AboveZero = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SeenImages(BaseModel):
    """Mean and spread of the channel means over training images, and how far from them an image usually lies."""

    model_config = ConfigDict(extra="forbid")

    mean: tuple[Annotated[float, Field(allow_inf_nan=False)], ...]
    std: tuple[AboveZero, ...]
    usual: AboveZero

    @classmethod
    def of(cls, means: np.ndarray) -> SeenImages | None:
        """means (images, channels) of training images; None where they are too few, or no finite numbers.

        What is usual is told by images that mean and spread were not taken from: each half is held against the other.
        """
        if len(means) < FEWEST or not np.isfinite(means).all():
            return None
        halves = means[::2], means[1::2]
        far = np.concatenate([_distance(one, *_of(other)) for one, other in (halves, halves[::-1])])
        mean, std = _of(means)
        usual = float(np.percentile(far, USUAL))
        return cls(mean=_rounded(mean), std=_rounded(std), usual=round(usual, 4)) if usual >= 1e-4 else None

    def unlike(self, means: np.ndarray) -> float:
        """means (channels) of an image -> how unlike the training images it is: above 1, as one in twenty of them."""
        return float(_distance(means[None], np.array(self.mean), np.array(self.std))[0]) / self.usual


def _of(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of each channel; a channel that never changes says nothing, so its spread is not 0."""
    return means.mean(0), means.std(0) + 1e-3 * (np.abs(means).mean() + 1e-6)


def _distance(means: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """In standard deviations: the root mean square over the channels."""
    distance: np.ndarray = np.sqrt((((means - mean) / std) ** 2).mean(1))
    return distance


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") for value in values)
