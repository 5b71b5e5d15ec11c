"""--compile: the networks are whole graphs, and a run with them is the run without."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from disdepth_cli import distill
from disdepth_cli.models.student import StudentArchitecture, build_student, load_student
from disdepth_cli.working_size import WorkingSize


@pytest.mark.slow
@pytest.mark.parametrize("lg_conv", ["none", "all"])
def test_the_student_is_one_graph(lg_conv):
    architecture = StudentArchitecture("mobilenetv2_100", 0.001, 10.0, WorkingSize(64, 96), lg_conv=lg_conv)
    student = build_student(architecture).train()
    assert torch._dynamo.explain(student)(torch.rand(2, 3, 64, 96)).graph_break_count == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler's own
def test_a_compiled_run_gives_the_same_student(acclimated, rooms, tiny, tmp_path, monkeypatch):
    """As far as the graphs go: without the code that a C++ compiler would make of them."""
    whole, compiled = nn.Module.compile, []

    def compile_eagerly(module):
        compiled.append(type(module).__name__)
        whole(module, backend="eager")

    monkeypatch.setattr(nn.Module, "compile", compile_eagerly)
    options = {"data": rooms, "teacher": str(acclimated), "max_steps": 3, **tiny}
    distill(output=tmp_path / "plain", **options)
    assert compiled == []
    distill(output=tmp_path / "compiled", compile=True, **options)
    assert "DepthStudent" in compiled and len(compiled) == 2
    one, other = (load_student(tmp_path / name).state_dict() for name in ("plain", "compiled"))
    assert list(one) == list(other)
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-4)
