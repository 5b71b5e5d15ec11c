"""What a student has over its control, in numbers and in words."""

from __future__ import annotations

import numpy as np
import pytest

from disdepth_cli.comparison.gain import FEWEST, gain_in_words, paired_gain
from disdepth_cli.evaluation.intervals import paired_interval

RANDOM = np.random.default_rng(0)
CONTROL = RANDOM.uniform(0.2, 0.8, 40)
NOISE = RANDOM.normal(0, 1, 40)
NOISE -= NOISE.mean()


def test_the_gain_is_student_less_control_with_the_paired_interval():
    student = CONTROL - 0.02 + 0.01 * NOISE
    gain = paired_gain("rmse", student, CONTROL)
    assert gain.difference == pytest.approx(-0.02) and gain.relative == pytest.approx(-0.02 / CONTROL.mean())
    assert (gain.low, gain.high) == paired_interval(student, CONTROL) and gain.images == 40
    assert set(gain.as_dict()) == {"student", "control", "difference", "interval", "relative", "verdict", "images"}


@pytest.mark.parametrize(
    ("metric", "shift", "noise", "verdict"),
    [
        ("rmse", -0.02, 0.01, "better"),
        ("rmse", 0.02, 0.01, "worse"),
        ("delta1", 0.02, 0.01, "better"),
        ("delta1", -0.02, 0.01, "worse"),
        ("rmse", -0.002, 0.05, "not distinguishable"),
        ("rmse", 0.002, 0.05, "not distinguishable"),
    ],
)
def test_the_verdict_needs_an_interval_without_zero(metric, shift, noise, verdict):
    assert paired_gain(metric, CONTROL + shift + noise * NOISE, CONTROL).verdict == verdict


def test_a_few_images_tell_nothing_even_where_all_agree():
    few = CONTROL[: FEWEST - 1]
    gain = paired_gain("rmse", few - 0.1, few)
    assert gain.high < 0 and gain.verdict == "not distinguishable"
    assert gain_in_words("rmse", gain.as_dict()).endswith("not distinguishable: 9 val images are too few to tell")
    assert paired_gain("rmse", CONTROL[:FEWEST] - 0.1, CONTROL[:FEWEST]).verdict == "better"


def test_an_image_without_a_value_counts_in_neither():
    student = CONTROL - 0.02
    student[3] = np.nan
    gain, without = paired_gain("rmse", student, CONTROL), np.delete(CONTROL, 3)
    assert gain.images == 39 and gain.control == pytest.approx(without.mean())


def words(metric, difference, interval, control=0.739, verdict="not distinguishable", images=654):
    entry = {"student": control + difference, "control": control, "difference": difference, "interval": interval}
    return gain_in_words(
        metric, {**entry, "relative": difference / control if control else None, "verdict": verdict, "images": images}
    )


def test_the_words_say_which_way_it_goes_and_whether_that_can_be_told():
    assert words("rmse", -0.006, [-0.025, 0.0125]) == (
        "rmse 0.733 against the control's 0.739: better by 0.8 % [-1.7, +3.4]; not distinguishable"
    )
    assert words("rmse", 0.006, [-0.0125, 0.025]) == (
        "rmse 0.745 against the control's 0.739: worse by 0.8 % [-1.7, +3.4]; not distinguishable"
    )
    assert words("delta1", 0.01, [0.005, 0.015], 0.8, "better") == (
        "delta1 0.81 against the control's 0.8: better by 1.2 % [+0.6, +1.9]"
    )
    assert words("delta1", 0.0, [-0.1, 0.1]) == "delta1 0.739 against the control's 0.739: the same"
    assert words("delta1", 0.02, [0.0, 0.05], 0.0) == (
        "delta1 0.02 against the control's 0: better by 0.02 [+0, +0.05]; not distinguishable"
    )
