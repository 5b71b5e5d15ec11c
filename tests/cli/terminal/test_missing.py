"""Wrong names are told at once, with near ones, before PyTorch is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import timm

from disdepth_cli.cli.missing import refuse_missing
from disdepth_cli.config import DistillConfig, EvaluateConfig
from disdepth_cli.config.student_name import may_be_timm, timm_models
from disdepth_cli.config.teacher_name import WELL_KNOWN
from disdepth_cli.errors import CheckpointError, StudentError, TeacherError

PROBE = """
import sys
from disdepth_cli.cli.app import main
for line in open(sys.argv[1]).read().splitlines():
    sys.argv = line.split("\\t")
    try:
        main()
    except SystemExit as stopped:
        heavy = {"torch", "timm", "numpy", "huggingface_hub"} & set(sys.modules)
        print("ENDED", stopped.code, *heavy, file=sys.stderr)
"""
WRONG = {
    "predict phot.png": "did you mean photo.png?",
    "distill --no-distill --data roms": "did you mean DATA/rooms?",
    "distill --no-distill --data rooms --student mobilenetv9": "did you mean mobilenetv3 or mobilenetv2",
    "distill --teacher runs/teachr-1 --data rooms": "runs/teachr-1: no such run; did you mean runs/teacher-1?",
    "distill --data rooms": "no acclimated teacher for mobilenetv2 under runs/",
    "acclimate --teacher depth-anything-v2-smal --data rooms": "did you mean depth-anything/Depth-Anything-V2-Small-hf",
    "acclimate --teacher timm:vit_smal_patch14_dinov2 --data rooms": "did you mean vit_small_patch14_dinov2",
    "acclimate --teacher nett.py:depth --data rooms": "did you mean DATA/net.py?",
    "evaluate studnt.safetensors --data rooms": "did you mean student.safetensors?",
    "evaluate bundld --data rooms": "did you mean bundled?",
    "export runs/none --format onnx": "no such run; give `bundled`",
    "benchmark --students resnet19": "did you mean resnet18",
    "benchmark a/b/c": "no such folder",
}  # fmt: skip


def test_a_wrong_name_answers_without_torch(tmp_path: Path) -> None:
    """All in one process, which has imported nothing heavy at the end of each."""
    for folder in ("rooms", "runs/teacher-1"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("photo.png", "net.py", "student.safetensors", "runs/teacher-1/config.yaml"):
        (tmp_path / file).touch()
    lines = tmp_path / "lines"
    lines.write_text("\n".join("\t".join(["disdepth", *command.split()]) for command in WRONG))
    result = subprocess.run(
        [sys.executable, "-c", PROBE, lines], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    told = result.stderr.splitlines()
    assert len(told) == 2 * len(WRONG), result.stderr
    for command, line, ended in zip(WRONG, told[::2], told[1::2], strict=True):
        assert line.startswith("error: ") and WRONG[command].replace("DATA", str(tmp_path)) in line, command
        assert ended in ("ENDED 1", "ENDED 2"), f"{command}: {ended}"


def test_every_model_that_timm_has_may_be_one() -> None:
    """Its source text is read as timm itself registers it; former names and weights' tags may be given too."""
    known = timm.list_models()
    assert len(known) > 1000 and set(known) <= set(timm_models())
    assert may_be_timm("resnet18.a1_in1k") and may_be_timm("tf_efficientnet_b0_ns") and not may_be_timm("resnet19")


@pytest.mark.parametrize(
    "name", [*WELL_KNOWN, "someone/some-model", "timm:vit_small_patch14_dinov2.lvd142m", "bundled"]
)
def test_what_may_be_right_is_let_through(name: str, rooms: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    owner = Path(name.split("/")[0], "Depth-Anything-V2-Smaller-hf")
    owner.mkdir(parents=True)  # a clone of another model of the same owner's is no reason to doubt
    refuse_missing(EvaluateConfig(model=name, data=rooms))
    if name != "bundled":
        refuse_missing(DistillConfig(teacher=name, data=rooms))


def test_a_resumed_run_is_left_to_its_engine(tmp_path: Path) -> None:
    gone = {"data": tmp_path / "gone", "teacher": str(tmp_path / "gone too"), "output": tmp_path}
    refuse_missing(DistillConfig(resume=True, **gone))
    with pytest.raises(TeacherError, match="no such folder"):
        refuse_missing(DistillConfig(**gone | {"data": tmp_path}))
    with pytest.raises(CheckpointError, match="no such file"):
        refuse_missing(EvaluateConfig(model=tmp_path / "x.onnx", data=tmp_path))
    with pytest.raises(StudentError, match="not a timm model"):
        refuse_missing(DistillConfig(student="no-net", data=tmp_path))
