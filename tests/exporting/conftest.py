"""Tiny students as files, and what exports them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from disdepth_cli.checkpoint.metadata import save_checkpoint
from disdepth_cli.config import STUDENTS
from disdepth_cli.models.lg_conv import LGConv
from disdepth_cli.models.student import StudentArchitecture, build_student
from disdepth_cli.working_size import WorkingSize

ROOM = Path(__file__).parents[2] / "disdepth_cli" / "assets" / "room.jpg"


def make_student(file: Path, name: str, lg_conv: str = "none", relative: bool = False) -> Path:
    """A student with random weights whose norms and LG-Convs have left their start; its depth varies with the image."""
    torch.manual_seed(0)
    kind = {"min_depth": 0.0, "max_depth": 1.0, "output_kind": "disparity"} if relative else {}
    architecture = StudentArchitecture(
        **{"backbone": STUDENTS.get(name, name), "min_depth": 0.5, "max_depth": 8.0, **kind},
        working_size=WorkingSize(64, 96),
        lg_conv=lg_conv,
        decoder_channels=16,
        bins=16,
    )
    student = build_student(architecture)
    for module in student.modules():
        if isinstance(module, LGConv):
            nn.init.normal_(module.broadcast.weight, std=0.5)
    nn.init.normal_(student.decoder.head.widths[-1].weight, std=0.5)
    photo = torch.from_numpy(cv2.cvtColor(cv2.imread(str(ROOM)), cv2.COLOR_BGR2RGB)).permute(2, 0, 1).float() / 255
    views = torch.stack([photo[:, top : top + 64, left : left + 96] for top in (0, 80, 160) for left in (0, 110, 220)])
    with torch.no_grad():
        for _ in range(30):
            student(views)
    save_checkpoint(file, student.state_dict(), student.describe("student"))
    return file


@pytest.fixture(scope="session")
def tiny_student(tmp_path_factory) -> Path:
    """A metric student file; its backbone pads as TensorFlow does."""
    return make_student(tmp_path_factory.mktemp("students") / "student.safetensors", "efficientnet-lite0")


@pytest.fixture(scope="session")
def tiny_relative(tmp_path_factory) -> Path:
    """A student file of relative disparity."""
    return make_student(tmp_path_factory.mktemp("students") / "student.safetensors", "mobilenetv2", relative=True)


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A real photo (128, 160, 3) uint8 RGB."""
    return cv2.resize(cv2.cvtColor(cv2.imread(str(ROOM)), cv2.COLOR_BGR2RGB), (160, 128), interpolation=cv2.INTER_AREA)
