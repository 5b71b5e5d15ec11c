"""Painted frames are the student's affair: the teacher sees the view as it is."""

from __future__ import annotations

import pytest
import torch

from disdepth_cli.config import DistillConfig
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.method.acclimated_teacher import ghost_size
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.method.student_start import StudentStart
from disdepth_cli.models.student import StudentArchitecture, build_student
from disdepth_cli.scoring.acclimated_run import load_acclimated
from disdepth_cli.training.prepare import prepare_data
from disdepth_cli.types import DepthBatch
from disdepth_cli.working_size import WorkingSize


def step_options(config):
    """What a step is given of a configuration."""
    return config.method, StudentStart.of(config.student, config.method)


def test_the_student_sees_frames_and_the_teacher_does_not(acclimated, monkeypatch):
    teacher, _ = load_acclimated(acclimated, "fp32")
    student = build_student(StudentArchitecture("mobilenetv2_100", 0.001, 10.0, WorkingSize(64, 96)))
    depth = torch.full((8, 1, 64, 96), 3.0)
    batch = DepthBatch(torch.full((8, 3, 64, 96), 0.4), depth, depth > 0, list("abcdefgh"), torch.ones(8).bool())
    seen = {"student": [], "teacher": []}
    for name, module in (("student", student), ("teacher", teacher)):
        module.register_forward_pre_hook(lambda _, inputs, name=name: seen[name].append(inputs[0]))
    step = DistillStep(student, teacher, *step_options(DistillConfig(data="x")), frame=1.0)
    step.train()(batch)
    assert (seen["student"][0] != 0.4).any() and (seen["teacher"][0] == 0.4).all()
    step.eval()(batch)
    assert (seen["student"][1] == 0.4).all()
    assert batch.valid.all()


@pytest.mark.parametrize(
    ("protocol", "frame", "share"), [("nyu-eigen", None, 0.5), ("plain", None, 0.0), ("plain", 0.2, 0.2)]
)
def test_frames_by_default_where_the_border_crop_cuts_one_away(rooms, tmp_path, protocol, frame, share):
    text = "\n".join(line for line in rooms.read_text().splitlines() if not line.startswith(("protocol", "path")))
    (tmp_path / "data.yaml").write_text(f"{text}\npath: {rooms.parent}\nprotocol: {protocol}\n")
    assert load_source(tmp_path / "data.yaml").protocol == protocol
    config = DistillConfig(data=tmp_path / "data.yaml", augment={"frame": frame})
    assert prepare_data(config).frame_share() == share


def test_an_acclimated_teacher_gets_no_padding():
    size = WorkingSize(240, 320)
    assert size.padded(480, 640) == (256, 320)
    assert ghost_size(size).padded(480, 640) == (240, 320)
