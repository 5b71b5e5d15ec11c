"""What is said of a ghost decoder that is hardly better than a constant: only what is known."""

from __future__ import annotations

import pytest

from disdepth_cli.training.acclimation.report import ENOUGH, doubt_of
from disdepth_cli.training.acclimation.teacher_checks import TeacherChecks
from disdepth_cli.training.loop.task import LoopResult

CONSTANT = {"rmse": 1.0}


def trained(rmse: float, steps: int) -> LoopResult:
    return LoopResult({"rmse": rmse}, steps, {"rmse": rmse}, steps, 1.0, 1.0)


@pytest.mark.parametrize(
    ("rmse", "steps", "own", "scale", "words"),
    [
        (0.5, 10, None, None, None),
        (0.9, 10, None, None, "after 10 steps: too few to judge the teacher by"),
        (0.9, ENOUGH, None, None, "its features tell little about depth here"),
        (0.9, ENOUGH, {"rmse": 0.3}, 1.0, "its own 0.300: the ghost decoder needs more steps"),
        (0.9, ENOUGH, {"rmse": 3.0}, 3.9, "its depth is 3.9 times the labels, so not its features but the scale"),
        (0.9, ENOUGH, {"rmse": 3.0}, 0.25, "its depth is 0.25 times the labels"),
        (0.9, ENOUGH, {"rmse": 0.95}, 1.1, "its features tell little"),
    ],
)
def test_a_ghost_decoder_is_doubted_for_what_is_known(rmse, steps, own, scale, words) -> None:
    said = doubt_of(trained(rmse, steps), CONSTANT, own, scale)
    assert said is None if words is None else said is not None and words in said
    assert said is None or ("features tell little" in said) == (words is not None and "features tell" in words)


def test_a_constant_factor_is_a_scale_and_nothing_else() -> None:
    off = TeacherChecks(50, to_whole=1.0, to_labels=3.9, whole_to_labels=3.88, train_error=2.9)
    (said,) = off.warnings("teacher", unlabelled=False)
    assert "3.88 times the labels" in said and "depth_scale in data.yaml is wrong" in said
    (views,) = TeacherChecks(50, to_whole=1.3, to_labels=1.3, whole_to_labels=1.0).warnings("teacher", unlabelled=True)
    assert "through training views it sees things 1.30 times as far" in views
