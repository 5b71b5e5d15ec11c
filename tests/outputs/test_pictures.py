"""Pictures: colour maps, grids, image files."""

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from disdepth_cli.depth.colours import OWN_MAPS, colour_table, colourise
from disdepth_cli.errors import ConfigError
from disdepth_cli.outputs.pictures import panel, scale_bar, side_by_side, write_image

DEPTH = np.linspace(1, 9, 48 * 64, dtype=np.float32).reshape(48, 64)


def test_colour_map_spans_its_range():
    picture = colourise(DEPTH, "gray", low=1, high=9)
    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.uint8
    assert (picture[0, 0] == 0).all()
    assert (picture[-1, -1] == 255).all()
    assert (np.diff(picture[..., 0].ravel().astype(int)) >= 0).all()


def test_spectral_is_the_default_and_is_coloured():
    picture = colourise(DEPTH)
    np.testing.assert_array_equal(picture[0, 0], [94, 79, 162])  # the published first colour of Spectral_r
    np.testing.assert_array_equal(picture[-1, -1], [158, 1, 66])  # and its last


def test_grayscale_is_grey_and_brighter_for_larger_values():
    picture = colourise(DEPTH, "gray")
    assert (picture[..., 0] == picture[..., 1]).all()
    assert picture[-1, -1, 0] > picture[0, 0, 0]


def test_default_range_ignores_outliers():
    outlier = DEPTH.copy()
    outlier[0, 0] = 1e6
    np.testing.assert_allclose(colourise(outlier)[1:].astype(int), colourise(DEPTH)[1:].astype(int), atol=4)


def test_invalid_pixels_are_black():
    depth = DEPTH.copy()
    depth[0, :4] = 0, np.nan, np.inf, -1
    picture = colourise(depth)
    assert not picture[0, :4].any()
    assert picture[1].any()
    assert not colourise(np.zeros((3, 4))).any()
    zero_counts = colourise(np.array([[0.0, 1.0]]), valid=np.ones((1, 2), dtype=bool))
    assert zero_counts[0, 0].any()


def test_constant_depth_is_one_colour():
    assert len(np.unique(colourise(np.full((4, 4), 2.0)).reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("name", [name + end for name in OWN_MAPS for end in ("", "_r")])
def test_own_colour_maps_are_those_of_matplotlib(name):
    """To one level of 256: OpenCV rounds its tables, Matplotlib cuts them."""
    theirs = colormaps[name](np.linspace(0, 1, 256), bytes=True)[:, :3]
    table = colour_table(name)
    assert table.shape == theirs.shape and table.dtype == np.uint8 and table.flags.c_contiguous
    assert np.abs(table.astype(int) - theirs).max() <= 1


def test_unknown_colour_map_names_near_ones():
    with pytest.raises(ConfigError, match="--colormap Spectrl_r: .*did you mean Spectral_r"):
        colourise(DEPTH, "Spectrl_r")
    with pytest.raises(ConfigError, match="for example Spectral_r"):
        colourise(DEPTH, "???")


def test_side_by_side_brings_the_depth_to_the_images_height():
    image = np.zeros((96, 128, 3), dtype=np.uint8)
    both = side_by_side(image, colourise(DEPTH))
    assert both.shape == (96, 128 + 8 + 128, 3)
    assert (both[:, 128:136] == 255).all()


def test_panel_is_a_titled_grid():
    image = np.full((48, 64, 3), 90, dtype=np.uint8)
    grid = panel([[("image", image), ("a title much too long for its cell", colourise(DEPTH))], [("", image)]])
    strip = 18
    assert grid.shape == (8 + 2 * (strip + 48 + 8), 8 + 2 * (64 + 8), 3)
    assert (grid[8 + strip : 8 + strip + 48, 8:72] == 90).all()
    np.testing.assert_array_equal(grid[8 + strip : 8 + strip + 48, 80:144], colourise(DEPTH))
    assert (grid[8 : 8 + strip, 8:72] < 100).any()  # the title
    assert (grid[8 : 8 + strip, 72:80] == 255).all()  # stays in its cell
    assert (grid[-48:, 80:] == 255).all()  # the missing picture


def test_panel_keeps_the_aspect_of_other_sizes():
    wide = np.zeros((10, 40, 3), dtype=np.uint8)
    grid = panel([[("", np.full((48, 64, 3), 90, dtype=np.uint8)), ("", wide)]])
    assert (grid[:, 80:144] == 0).all(axis=2).any(axis=1).sum() == 16
    with pytest.raises(ValueError, match="at least one picture"):
        panel([])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG"])
def test_written_images_open(tmp_path, suffix):
    write_image(tmp_path / f"a{suffix}", colourise(DEPTH))
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert (image.mode, image.size) == ("RGB", (64, 48))
        image.load()
    assert len(list(tmp_path.iterdir())) == 1


def test_unknown_picture_suffix_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\.png, \.jpg, \.jpeg"):
        write_image(tmp_path / "a.tiff", colourise(DEPTH))


def test_a_scale_bar_shows_the_whole_colour_map_above_its_labels():
    bar = scale_bar(300, ["0.5 m", "5 m"], "gray")
    assert bar.shape[1:] == (300, 3) and bar.dtype == np.uint8
    assert bar[0, 0, 0] == 0 and bar[0, -1, 0] == 255 and (np.diff(bar[0, :, 0].astype(int)) >= 0).all()
    below = bar[-10:]  # labels at both ends, black on white, and nothing between
    assert below[:, :60].min() < 100 and below[:, -60:].min() < 100 and (below[:, 100:200] == 255).all()
