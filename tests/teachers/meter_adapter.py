"""METER, a published network from its authors' repository, as a teacher: its code and weights lie in the test data."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import torch
from torch import Tensor

from disdepth_cli.teachers import TeacherDescription

FOLDER = Path(os.environ["DISDEPTH_TEST_DATA"]) / "teachers" / "meter_nyu_xxs"
TAPS = ("encoder.mv2.1", "encoder.mvit.0", "encoder.mvit.1", "encoder.mvit.2", "encoder.conv2")


def meter() -> TeacherDescription:
    """As its authors use it: the whole image at 192x256; it gives centimetres."""
    return described(lambda pixels: pixels)


def meter_framed() -> TeacherDescription:
    """With NYU's white frame painted over any image: METER measures by it."""
    return described(frame)


def frame(pixels: Tensor) -> Tensor:
    """NYU's frame, white once it is normalised: 6 of 480 rows above and below, 7 and 8 of 640 columns."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    white = ((1 - mean) / std).view(1, 3, 1, 1).to(pixels)
    height, width = pixels.shape[-2:]
    above, left, right = round(6 * height / 480), round(7 * width / 640), round(8 * width / 640)
    inside = torch.zeros(height, width, dtype=torch.bool, device=pixels.device)
    inside[above : height - above, left : width - right] = True
    return torch.where(inside, pixels, white)


def described(enter) -> TeacherDescription:
    from safetensors.torch import load_file

    spec = importlib.util.spec_from_file_location("meter", FOLDER / "meter.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.Meter()
    network.load_state_dict(load_file(FOLDER / "model.safetensors"), strict=True)
    return TeacherDescription(
        network=network,
        kind="metric_depth",
        taps=TAPS,
        input=enter,
        output=lambda centimetres: centimetres / 100,
        size=(192, 256),
        fixed=True,
        licence="mit",
        name="METER-XXS (NYU)",
    )
