"""What a student has over its control: paired image by image, with an interval, a verdict and plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from disdepth_cli.evaluation.intervals import paired_interval
from disdepth_cli.scoring.score import Scores
from disdepth_cli.scoring.summary import HEADLINES, columns

LARGER_IS_BETTER = frozenset({"delta1", "delta2", "delta3"})
FEWEST = 10  # images below which a bootstrap interval is too narrow to tell two models apart by
UNCERTAIN = "not distinguishable"


@dataclass(frozen=True)
class Gain:
    """Means over the same images, in the metric's own unit; low and high hold the mean of student - control with 95 %.

    images: how many they are.
    """

    metric: str
    student: float
    control: float
    low: float
    high: float
    images: int

    @property
    def difference(self) -> float:
        """student - control, as the interval is."""
        return self.student - self.control

    @property
    def relative(self) -> float | None:
        """The difference as a share of the control's; None where that is 0."""
        return self.difference / self.control if self.control else None

    @property
    def verdict(self) -> str:
        """`better`, `worse`, or `not distinguishable`: 0 lies in the interval, or the images are too few."""
        if self.images < FEWEST or self.low <= 0 <= self.high:
            return UNCERTAIN
        return "better" if (self.difference > 0) == (self.metric in LARGER_IS_BETTER) else "worse"

    def as_dict(self) -> dict[str, Any]:
        """As it stands in report.json."""
        return {
            "student": self.student,
            "control": self.control,
            "difference": self.difference,
            "interval": [self.low, self.high],
            "relative": self.relative,
            "verdict": self.verdict,
            "images": self.images,
        }


def paired_gain(metric: str, student: ArrayLike, control: ArrayLike) -> Gain:
    """The gain in one metric, (N,) each on the same images in the same order; NaN is an image without a value.

    Raises:
        ValueError: the two have different lengths.
    """
    low, high = paired_interval(student, control)
    student_errors, control_errors = np.asarray(student, dtype=np.float64), np.asarray(control, dtype=np.float64)
    known = ~np.isnan(student_errors - control_errors)
    means = float(student_errors[known].mean()), float(control_errors[known].mean())
    return Gain(metric, *means, low, high, int(known.sum()))


def gain_in_words(metric: str, gain: dict[str, Any]) -> str:
    """One line: `rmse 0.733 against the control's 0.739: better by 0.8 % [-1.7, +3.4]; not distinguishable`.

    gain: as `Gain.as_dict` gives it. The brackets hold the 95 % interval in the direction of the word before them.
    """
    line = f"{metric} {gain['student']:.4g} against the control's {gain['control']:.4g}: "
    if not gain["difference"]:
        return line + "the same"
    better = (gain["difference"] > 0) == (metric in LARGER_IS_BETTER)
    ends = sorted(end if gain["difference"] > 0 else -end for end in gain["interval"])
    size = abs(gain["difference"])
    if gain["relative"] is not None:
        share = 100 / abs(gain["control"])
        amount = f"{size * share:.1f} % [{ends[0] * share:+.1f}, {ends[1] * share:+.1f}]"
    else:
        amount = f"{size:.4g} [{ends[0]:+.4g}, {ends[1]:+.4g}]"
    line += f"{'better' if better else 'worse'} by {amount}"
    if gain["images"] < FEWEST:
        return f"{line}; {UNCERTAIN}: {gain['images']} val images are too few to tell"
    return f"{line}; {UNCERTAIN}" if gain["verdict"] == UNCERTAIN else line


def gains(scores: Scores, control: Scores) -> dict[str, dict[str, Any]]:
    """Name to what a student has over its control on the images that both have, for the `HEADLINES`."""
    both = [key for key in scores.per_image if key in control.per_image]
    one, other = columns(scores, both), columns(control, both)
    return {name: paired_gain(name, one[name], other[name]).as_dict() for name in HEADLINES}
