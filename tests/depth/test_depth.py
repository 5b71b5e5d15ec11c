"""Depth in Python: what its numbers mean, its files, its colours."""

import numpy as np
import pytest

from disdepth_cli import Depth
from disdepth_cli.errors import ConfigError, DataError

RANDOM = np.random.default_rng(4)
RAMP = np.linspace(1, 9, 48 * 64, dtype=np.float32).reshape(48, 64)


@pytest.mark.parametrize("suffix", [".png", ".npy", ".npz", ".exr"])
@pytest.mark.parametrize("kind", ["metric_depth", "disparity", "relative_depth"])
def test_what_is_saved_comes_back(tmp_path, suffix, kind):
    depth = Depth(RAMP, kind, 0.5, 10.0)
    depth.save(str(tmp_path / f"a{suffix}"))
    again = Depth.load(str(tmp_path / f"a{suffix}"))
    assert (again.kind, again.unit, again.min_depth, again.max_depth) == (kind, depth.unit, 0.5, 10.0)
    assert again.values.dtype == np.float32 and again.values.shape == (48, 64)
    exact = suffix != ".png"
    assert np.array_equal(again.values, RAMP) if exact else np.abs(again.values - RAMP).max() <= 0.0005 + 1e-6
    again.save(tmp_path / f"b{suffix}")  # once rounded it is not rounded again
    assert np.array_equal(Depth.load(tmp_path / f"b{suffix}").values, again.values)


def test_units_and_what_is_valid():
    values = np.array([[np.nan, 0.0, 2.0, np.inf]])
    metric, relative = Depth(values), Depth(values, "disparity")
    assert (metric.unit, relative.unit) == ("metres", "none")
    assert metric.valid.tolist() == [[False, False, True, False]]
    assert relative.valid.tolist() == [[False, True, True, False]]
    assert repr(metric) == "Depth(1x4, metric_depth, 2 to 2 metres)"
    assert repr(relative) == "Depth(1x4, disparity, 0 to 2)"
    assert repr(Depth(np.zeros((2, 2)))) == "Depth(2x2, metric_depth, empty metres)"


def test_it_is_an_array_to_numpy():
    depth = Depth(RAMP.astype(np.float64))
    assert np.array_equal(np.asarray(depth), RAMP) and np.asarray(depth).dtype == np.float32
    assert float(np.mean(depth)) == pytest.approx(5.0)
    copied = np.array(depth)
    copied[:] = 0
    assert depth.values.min() == 1


@pytest.mark.parametrize(
    "values", [np.zeros((2, 3, 1)), np.zeros(3), np.zeros((0, 3)), np.array([["a"]]), np.eye(2) > 0]
)
def test_what_is_no_map_is_refused(values):
    with pytest.raises(DataError, match="a depth map is"):
        Depth(values)
    with pytest.raises(DataError, match="not 'metres'"):
        Depth(RAMP, "metres")


def test_near_things_have_one_colour_whatever_the_kind():
    metric = Depth(RAMP).colour()
    assert metric.shape == (48, 64, 3) and metric.dtype == np.uint8
    relative = Depth(RAMP, "relative_depth").colour()
    assert np.array_equal(metric, relative)
    for largest in (None, 20.0):
        turned = Depth(20 - RAMP, "disparity", 0.0 if largest else None, largest).colour()
        assert np.abs(turned.astype(int) - metric).max() <= 12
    assert not np.array_equal(Depth(RAMP).colour("magma"), metric)
    holes = RAMP.copy()
    holes[:, :3] = np.nan
    for kind in ("metric_depth", "disparity"):
        picture = Depth(holes, kind).colour()
        assert not picture[:, :3].any() and picture[:, 3:].any()
    with pytest.raises(ConfigError, match="Spectral"):
        Depth(RAMP).colour("spectrl")
