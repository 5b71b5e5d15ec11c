"""Several teachers: one ghost decoder for all, and how much each counts at a pixel."""

from __future__ import annotations

import pytest
import torch

from disdepth_cli import acclimate, distill
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.config import DistillConfig
from disdepth_cli.errors import ConfigError
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.method.student_start import StudentStart
from disdepth_cli.method.teacher_fusion import blend, teacher_shares
from disdepth_cli.models.student import build_student, load_student
from disdepth_cli.scoring.acclimated_run import load_acclimated, load_acclimation
from disdepth_cli.types import DepthBatch


def step_options(config):
    """What a step is given of a configuration."""
    return config.method, StudentStart.of(config.student, config.method)


def test_mean_and_pick():
    target = torch.full((1, 1, 1, 4), 2.0)
    valid = torch.tensor([True, True, True, False]).view(1, 1, 1, 4)
    ghosts = [torch.tensor([2.0, 4.0, 1.9, 9.0]).view(1, 1, 1, 4), torch.tensor([3.0, 2.1, 1.0, 9.0]).view(1, 1, 1, 4)]
    mean = teacher_shares(ghosts, target, valid, "metric_depth", "mean")
    assert (mean == 0.5).all() and mean.shape == (2, 1, 1, 1, 4)
    picked = teacher_shares(ghosts, target, valid, "metric_depth", "ghost-error")
    assert picked[0].flatten().tolist() == [1, 0, 1, 0.5] and picked[1].flatten().tolist() == [0, 1, 0, 0.5]
    assert blend(ghosts, picked, "metric_depth").flatten().tolist() == pytest.approx([2.0, 2.1, 1.9, 9.0], rel=1e-4)
    assert blend(ghosts, mean, "metric_depth")[0, 0, 0, 0].item() == pytest.approx(6**0.5, rel=1e-4)
    assert blend(ghosts, mean, "disparity")[0, 0, 0, 0].item() == pytest.approx(2.5)
    assert blend(ghosts[:1], mean[:1], "metric_depth") is ghosts[0]


@pytest.fixture(scope="module")
def pair(rooms, tiny_teacher, tiny_relative_teacher, tiny, tmp_path_factory):
    """Two acclimated runs with one ghost decoder."""
    folder = tmp_path_factory.mktemp("pair")
    common = {"data": rooms, "max_steps": 4, "attention_steps": 2, **tiny}
    acclimate(teacher=str(tiny_teacher), output=folder / "a", **common)
    acclimate(teacher=str(tiny_relative_teacher), output=folder / "b", ghost=folder / "a", **common)
    return folder / "a", folder / "b"


def test_the_second_takes_the_ghost_of_the_first_as_it_is(pair):
    first, second = (load_acclimation(run / "acclimated.safetensors")[0] for run in pair)
    ghosts = [acclimation.ghost.state_dict() for acclimation in (first, second)]
    assert all(torch.equal(ghosts[0][name], ghosts[1][name]) for name in ghosts[0])
    fams = [acclimation.fam.state_dict() for acclimation in (first, second)]
    assert any(not torch.equal(fams[0][name], fams[1][name]) for name in fams[0])


@pytest.mark.parametrize("fusion", [pytest.param("mean", marks=pytest.mark.slow), "ghost-error"])
def test_a_student_learns_from_both(fusion, pair, rooms, tiny, tmp_path):
    options = {"data": rooms, "max_steps": 3, "teacher_fusion": fusion, **tiny}
    report = distill(teacher=[str(run) for run in pair], output=tmp_path / "run", **options)
    assert [record["id"] for record in report["teachers"]] == ["tiny-metric", "tiny-relative"]
    metadata = read_metadata(tmp_path / "run" / "student.safetensors")
    assert metadata.teacher.id == "tiny-metric" and [t.id for t in metadata.more_teachers] == ["tiny-relative"]
    distill(teacher=str(pair[0]), output=tmp_path / "one", **options)
    both, one = (load_student(tmp_path / run).state_dict() for run in ("run", "one"))
    assert any(not torch.equal(both[name], one[name]) for name in both)


def test_the_mean_over_the_same_teacher_twice_is_that_teacher(pair):
    acclimated, metadata = load_acclimated(pair[0], "fp32")
    student = build_student(metadata.architecture())
    depth = torch.rand(2, 1, 64, 96) * 4 + 1
    batch = DepthBatch(torch.rand(2, 3, 64, 96), depth, depth > 1.5, ["a", "b"], torch.tensor([True, False]))
    config = DistillConfig(data="x", teacher_fusion="mean")
    student.eval()
    parts = []
    for teachers in ([acclimated], [acclimated, acclimated]):
        torch.manual_seed(0)  # the projections' biases are random
        parts.append(DistillStep(student, teachers, *step_options(config)).eval()(batch).parts)
    once, twice = parts
    for name, part in once.items():
        assert twice[name].item() == pytest.approx(part.item(), rel=1e-4), name


def test_two_decoders_are_refused(pair, acclimated, rooms, tiny, tmp_path):
    with pytest.raises(ConfigError, match=f"has a ghost decoder of its own.*--ghost {pair[0]}"):
        distill(teacher=[str(pair[0]), str(acclimated)], data=rooms, output=tmp_path / "run", max_steps=2, **tiny)


@pytest.mark.slow
def test_teachers_that_are_not_acclimated_are_made_to_share(tiny_teacher, tiny_relative_teacher, rooms, tiny, tmp_path):
    teachers = [str(tiny_teacher), str(tiny_relative_teacher)]
    distill(teacher=teachers, data=rooms, output=tmp_path / "run", max_steps=2, **tiny)
    made = [tmp_path / f"run-teacher{place}" / "acclimated.safetensors" for place in (1, 2)]
    ghosts = [load_acclimation(file)[0].ghost.state_dict() for file in made]
    assert all(torch.equal(ghosts[0][name], ghosts[1][name]) for name in ghosts[0])


def test_options_of_one_teacher_are_refused_for_two(pair, rooms, tiny):
    with pytest.raises(ConfigError, match="go with one --teacher"):
        distill(teacher=[str(run) for run in pair], revision="main", data=rooms, **tiny)


def test_a_ghost_must_be_a_finished_run(tiny_teacher, rooms, tiny, tmp_path):
    with pytest.raises(ConfigError, match="is no finished acclimated run"):
        acclimate(teacher=str(tiny_teacher), data=rooms, ghost=tmp_path, output=tmp_path / "a", **tiny)
