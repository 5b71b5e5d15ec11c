"""The resizing layers give OpenCV's grey levels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from disdepth_cli.exporting.resizing import order_matters, resize_layer
from disdepth_cli.working_size import resize_image

SHRINKING = [((480, 640), (240, 320)), ((720, 960), (240, 320)), ((960, 1280), (240, 320))]
UNEVENLY = [((720, 1280), (240, 427)), ((427, 569), (240, 320)), ((375, 1242), (215, 713)), ((1280, 720), (427, 240))]
GROWING = [((120, 160), (240, 320)), ((100, 130), (240, 312)), ((240, 180), (320, 240)), ((200, 300), (240, 280))]


@pytest.mark.parametrize(("source", "target"), [*SHRINKING, *UNEVENLY, *GROWING, ((64, 96), (64, 96))])
@pytest.mark.parametrize("kind", ["noise", "ramp"])
def test_every_grey_level_is_opencvs(source, target, kind):
    if kind == "noise":
        image = np.random.default_rng(0).integers(0, 256, (*source, 3), np.uint8)
    else:
        ramp = np.add.outer(np.linspace(0, 200, source[0]), np.linspace(0, 55, source[1]))
        image = np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1).astype(np.uint8)
    levels = resize_layer(source, target)(torch.from_numpy(image)[None])
    assert levels.dtype == torch.float32 and levels.shape == (1, 3, *target)
    got = levels[0].permute(1, 2, 0).numpy()
    assert np.array_equal(got, resize_image(image, target))


def test_a_plain_bilinear_layer_would_not_do():
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    plain = torch.nn.functional.interpolate(torch.from_numpy(image).permute(2, 0, 1)[None].float(), (240, 320))
    assert (plain[0].permute(1, 2, 0).numpy() != cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA)).any()


def test_the_order_of_sums_matters_only_where_areas_are_uneven():
    assert not any(order_matters(*sizes) for sizes in (*SHRINKING, *GROWING))
    assert all(order_matters(*sizes) for sizes in UNEVENLY)
