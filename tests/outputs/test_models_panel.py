"""The panel of several models: what is too near is as visible as what is too far."""

from __future__ import annotations

import numpy as np

from disdepth_cli.outputs.models_panel import models_panel


def test_errors_to_both_sides_have_colours_and_pixels_without_truth_are_black():
    image, truth = np.full((64, 256, 3), 128, np.uint8), np.full((64, 256), 3.0)
    truth[0, 0] = 2.0
    known = {}
    for name, off in (("near", -1.0), ("far", 1.0), ("none", np.nan)):
        whole = models_panel([(image, truth, {"student": truth + off})], "student")
        known[name] = tuple(whole[-60, -128].tolist())  # within the error's picture
    near, far = known["near"], known["far"]
    assert near[2] > 150 > near[0] and far[0] > 150 > far[2], known  # blue, red
    assert known["none"] == (0, 0, 0)
