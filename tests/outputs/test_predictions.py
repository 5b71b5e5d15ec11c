"""The files of one prediction: named after what its numbers are, and read back as that."""

import numpy as np
import pytest
from PIL import Image

from disdepth_cli import Depth
from disdepth_cli.config import PredictConfig
from disdepth_cli.outputs.predictions import write_prediction

IMAGE = np.zeros((6, 8, 3), np.uint8)
VALUES = np.linspace(0.5, 7, 48, dtype=np.float32).reshape(6, 8)


@pytest.mark.parametrize(
    ("kind", "largest", "noun", "scale"),
    [
        ("metric_depth", 10.0, "depth", 1000.0),
        ("metric_depth", None, "depth", 256.0),
        ("disparity", 10.0, "disparity", 6553.5),
        ("disparity", None, "disparity", 65534 / 6.5),
        ("relative_depth", None, "relative_depth", 65534 / 6.5),
    ],
)
def test_files_say_what_they_hold(kind, largest, noun, scale, tmp_path):
    config = PredictConfig(sources=["a"], output=tmp_path, save_numpy=True)
    written, _ = write_prediction(config, "a", IMAGE, Depth(VALUES, kind, None, largest))
    plain = written.as_dict()
    assert list(plain)[:4] == [noun, "color", "numpy", "scale"] and plain["scale"] == pytest.approx(scale)
    assert ("offset" in plain) == (kind != "metric_depth" and largest is None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_color.png", f"a_{noun}.npy", f"a_{noun}.png"]
    for file, error in ((written.files[noun], 0.5 / scale + 1e-6), (written.exact, 0)):
        read = Depth.load(file)
        assert (read.kind, read.max_depth) == (kind, largest) and np.abs(read.values - VALUES).max() <= error
    with Image.open(written.files["color"]) as picture:
        assert picture.size == (8 + 8 + 8, 6 + 4 + 20)
