"""One path from an image of any size to its depth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.types import DepthOutput
from disdepth_cli.working_size import WorkingSize, fit, restore


class Brightness(nn.Module):
    """A model whose depth is the image's red channel, times ten."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, image):
        self.sizes.append(tuple(image.shape[-2:]))
        return DepthOutput(depth=image[:, :1] * 10, features=[])


def predictor():
    return DepthPredictor(Brightness(), WorkingSize(64, 96), "metric_depth", 10.0, torch.device("cpu"), "fp32")


@pytest.mark.parametrize("shape", [(64, 96), (96, 64), (480, 640), (37, 111), (1, 5), (5000, 100), (2, 9000)])
def test_depth_comes_back_at_the_images_own_size(shape):
    ramp = np.linspace(0, 255, shape[1]).astype(np.uint8)
    image = np.broadcast_to(ramp[None, :, None], (*shape, 3)).copy()
    model = predictor()
    depth = model.predict(image)
    assert depth.shape == shape and depth.dtype == np.float32
    rows, columns = model.model.sizes[0]
    assert rows % 32 == 0 and columns % 32 == 0 and rows * columns <= 4 * 64 * 96
    if min(shape) > 30:
        assert np.abs(depth - image[..., 0] / 25.5).max() < 0.6  # the ramp is where it was


def test_working_size_keeps_the_aspect_and_the_scale():
    size = WorkingSize(240, 320)
    assert size.scaled(480, 640) == (240, 320) and size.padded(480, 640) == (256, 320)
    assert size.scaled(640, 480) == (320, 240)
    teacher = WorkingSize(238, 322, multiple=14, scale_rule="cover", pad=False)
    assert teacher.scaled(480, 640) == teacher.padded(480, 640) == (238, 322)


def test_padding_repeats_the_edge_and_is_cut_off_again():
    image = np.full((60, 90, 3), 128, np.uint8)
    fitted, placement = fit(image, WorkingSize(60, 90))
    assert fitted.shape == (64, 96, 3) and (fitted == 128).all()
    depth = np.zeros(fitted.shape[:2], np.float32)
    depth[placement.offset[0] :, placement.offset[1] :][:60, :90] = 1
    assert (restore(depth, placement) == 1).all()


def test_flip_averages_with_the_mirrored_prediction():
    class Left(nn.Module):
        def forward(self, image):
            ramp = torch.linspace(1, 3, image.shape[-1]).expand(1, 1, image.shape[-2], -1)
            return DepthOutput(depth=ramp, features=[])

    model = DepthPredictor(Left(), WorkingSize(64, 96), "metric_depth", 10.0, torch.device("cpu"), "fp32")
    image = np.zeros((64, 96, 3), np.uint8)
    assert np.ptp(model.predict(image)) > 1.9
    assert np.ptp(model.predict(image, flip=True)) < 1e-5
