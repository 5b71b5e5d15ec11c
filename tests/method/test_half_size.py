"""The first steps at half the size: what the student sees, and on which grids its answer comes back."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from disdepth_cli.config import DistillConfig
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.method.half_size import half_size_look
from disdepth_cli.method.student_start import StudentStart
from disdepth_cli.models.student import StudentArchitecture, build_student
from disdepth_cli.types import DepthBatch
from disdepth_cli.working_size import WorkingSize


def step_options(config):
    """What a step is given of a configuration."""
    return config.method, StudentStart.of(config.student, config.method)


def small_student():
    torch.manual_seed(0)
    student = build_student(StudentArchitecture("mobilenetv2_050", 0.1, 10.0, WorkingSize(96, 160), "none", 16, 8))
    sizes = []
    student.encoder.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[-2:])))
    return student, sizes


def test_the_answer_lies_on_the_whole_images_grids():
    student, sizes = small_student()
    image = torch.rand(2, 3, 96, 160)
    whole, half = student(image), half_size_look(student, image)
    assert sizes == [(96, 160), (64, 64)]  # half of 96 is 48, of 160 is 80; both to the nearest 32 that is even
    assert half.depth.shape == whole.depth.shape
    assert [f.shape for f in half.features] == [f.shape for f in whole.features]
    assert [f.shape for f in half.decoder.levels] == [f.shape for f in whole.decoder.levels]
    assert torch.isfinite(half.depth).all() and half.depth.min() > 0


@pytest.mark.filterwarnings("ignore:this student works at")  # in evaluation mode
def test_a_share_of_the_steps_is_small_and_the_rest_is_not():
    student, sizes = small_student()
    config = DistillConfig(data=".", distill=False, small_first=0.6)
    step = DistillStep(student, None, *step_options(config))
    depth = torch.full((1, 1, 64, 128), 2.0)
    batch = DepthBatch(torch.rand(1, 3, 64, 128), depth, depth > 0, ["a"], torch.tensor([True]))
    for done in range(5):
        step.before_step(done, 5)
        step.eval()(batch)
    assert sizes == [(32, 64)] * 3 + [(64, 128)] * 2


@pytest.mark.slow
def test_a_run_is_told_when_it_is_small(rooms, tiny_run, run_disdepth, tmp_path):
    students = []
    for share in ("0", "0.5"):
        common = ("distill", "--no-distill", "--no-pretrained", "--data", rooms, *tiny_run, "--max-steps", "2")
        done = run_disdepth(*common, "--small-first", share, "-o", tmp_path / share)
        assert done.returncode == 0, done.stderr
        students.append(load_file(tmp_path / share / "student.safetensors"))
    whole, half = students
    assert any(not torch.equal(half[name], value) for name, value in whole.items())
