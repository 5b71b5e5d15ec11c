"""The bench that tells where a student is better: planes, edges and their errors on scenes that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from disdepth_cli.evaluation.protocols import get_protocol, override

SIZE = (240, 320)
WALL = slice(0, 200)  # columns of the first of two walls, one behind the other


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        import where_gain

        yield where_gain


@pytest.fixture(scope="module")
def scene():
    """(truth, valid): two slanted walls seen by a pinhole camera, [m]."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    truth = 3 / (0.3 * (u - 160) / 260 - 0.2 * (v - 120) / 260 + 1)
    truth[:, WALL.stop :] *= 1.5
    return truth, np.ones(SIZE, bool)


def test_edges_are_where_one_wall_ends(bench, scene):
    edges = bench.edge_pixels(*scene)
    columns = np.flatnonzero(edges.any(axis=0))
    assert columns.min() < WALL.stop <= columns.max() and np.ptp(columns) < 12
    assert edges[:, columns].all()


def test_slanted_walls_are_planes_and_another_scale_is_no_error_of_their_shape(bench, scene):
    truth, valid = scene
    planes, slope, bend = bench.plane_squares(1.3 * truth, truth, valid)
    assert planes.mean() > 0.9  # all but the squares that the edge crosses
    assert slope < 1e-9 and bend < 1e-9


def test_a_wrong_slope_and_a_bent_plane_are_told_apart(bench, scene):
    truth, valid = scene
    _, slope, bend = bench.plane_squares(np.full(SIZE, 3.0), truth, valid)
    assert slope > 0.01 and bend < 1e-9
    bumps = 1 + 0.02 * np.sin(np.arange(SIZE[1]) / 2)
    _, _, bend = bench.plane_squares(truth * bumps, truth, valid)
    assert 0.005 < bend < 0.02


def test_one_scale_for_all_is_an_error_of_scale_alone(bench, scene):
    truth, _ = scene
    protocol = override(get_protocol("plain"), min_depth=1e-3, max_depth=10.0)
    values, shares = (
        dict(zip(bench.ROWS, numbers, strict=True)) for numbers in bench.image_rows(1.1 * truth, truth, protocol)
    )
    assert values["scale: |mean log error|"] == pytest.approx(np.log(1.1))
    assert values["shape: std of log error"] < 1e-6 and values["planes: slope"] < 1e-9
    assert sum(shares[f"{part}: rmse [m]"] for part in ("edges", "planes", "elsewhere")) == pytest.approx(1)
    assert sum(shares[f"{part}: rmse [m]"] for part in ("near", "middle", "far")) == pytest.approx(1)
