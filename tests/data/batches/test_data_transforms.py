"""Training views: paired geometry, zoom, border, and nothing but (seed, epoch, index) behind them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

from disdepth_cli.config import AugmentConfig
from disdepth_cli.data.batches.views import Border, TrainView, default_crop
from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.method.frames import paint_frames
from disdepth_cli.types import DepthSample, StoredBatch
from disdepth_cli.working_size import WorkingSize, resize_image

WORKING = WorkingSize(240, 320)
CPU = torch.device("cpu")


def seen(view: TrainView, *args: object) -> tuple[Tensor, Tensor, Tensor]:
    """image (3, h, w), depth (1, h, w) and valid (1, h, w) of a view, as a network gets them."""
    pixels, colours, depth = view(*args)  # type: ignore[arg-type]
    batch = StoredBatch.collate([DepthSample(pixels, colours, depth, "a")]).to(CPU)
    return batch.image[0], batch.depth[0], batch.valid[0]


def nyu_border(height: int, width: int) -> tuple[int, int, int, int]:
    return 45, 472, 43, 608


def make_view(
    crop: tuple[int, int] = (224, 288), border: Border | None = None, seed: int = 0, **augment: object
) -> TrainView:
    options: dict = {"colour_probability": 0, "flip": 0.5, "scale": 1.5} | augment
    return TrainView(AugmentConfig(**options), crop, WORKING, border, seed, 1e-3, 10.0)


def coordinates(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres in [0, 1], by row and by column."""
    return np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")


def ramp_image(height: int = 480, width: int = 640) -> np.ndarray:
    rows, columns = coordinates(height, width)
    return np.round(np.dstack([columns * 255, rows * 255, np.zeros_like(rows)])).astype(np.uint8)


def zoom_of(view: TrainView, image: np.ndarray, epoch: int, index: int) -> float:
    _, depth, valid = seen(view, image, np.full(image.shape[:2], 4.0, np.float32), epoch, index)
    assert valid.numpy().all()
    assert np.ptp(depth.numpy()) == 0
    return 4.0 / float(depth[0, 0, 0])


@pytest.mark.parametrize("depth_size", [(480, 640), (240, 320), (960, 1280), (100, 133)])
@pytest.mark.parametrize("border", [None, nyu_border])
def test_image_and_depth_move_together(depth_size: tuple[int, int], border: Border | None) -> None:
    """Colour and depth both say where a pixel comes from; after any view they must still agree."""
    view, image = make_view(border=border), ramp_image()
    flips = set()
    for index in range(6):
        zoom = zoom_of(view, image, 3, index)
        for axis, place in enumerate(coordinates(*depth_size)):
            colours, metres, valid = seen(view, image, (1 + place).astype(np.float32), 3, index)
            assert colours.shape == (3, 224, 288)
            assert metres.shape == valid.shape == (1, 224, 288)
            assert (colours.dtype, metres.dtype, valid.dtype) == (torch.float32, torch.float32, torch.bool)
            assert valid.numpy().all()
            error = metres[0].numpy() * zoom - 1 - colours[1 - axis].numpy()
            assert np.abs(error).max() < 0.5 / depth_size[axis] + 1 / 255 + 0.001
            assert abs(error.mean()) < 0.002  # no half-pixel shift
            flips.add(bool(colours[0, 0, 0] > colours[0, 0, -1]))
    assert flips == {True, False}


def test_identity_view_is_the_fitted_image() -> None:
    """No augmentation, crop = working size: exactly what evaluation would see."""
    image = np.random.default_rng(0).integers(0, 256, (512, 640, 3), dtype=np.uint8)
    view = TrainView(
        AugmentConfig(flip=0, scale=1, colour_probability=0), (256, 320), WorkingSize(256, 320), None, 0, 0.1, 10
    )
    depth = np.full((512, 640), 3.0, np.float32)
    colours, metres, _ = seen(view, image, depth, 0, 0)
    expected = resize_image(image, (256, 320))
    np.testing.assert_allclose(colours.numpy(), expected.transpose(2, 0, 1) / 255, atol=1e-6)
    assert (metres == 3.0).all()


def test_zoom_lies_evenly_about_1_and_shows_less() -> None:
    view, image = make_view(crop=(96, 128), flip=0, scale=2.0), ramp_image()
    zooms = []
    for index in range(60):
        zoom = zoom_of(view, image, 0, index)
        colours, _, _ = seen(view, image, None, 0, index)
        share = float(colours[0, 0, -1] - colours[0, 0, 0])  # of the image's width
        assert share == pytest.approx(127 / (320 * zoom), abs=0.012)
        zooms.append(zoom)
    assert 0.49 < min(zooms) < 0.6
    assert 1.7 < max(zooms) < 2.01
    assert np.mean(np.log(zooms)) == pytest.approx(0, abs=0.15)


def test_zoom_is_enough_to_stay_inside_the_border() -> None:
    view = make_view(border=nyu_border, scale=1.0)
    assert zoom_of(view, ramp_image(), 0, 0) == pytest.approx(224 / (427 / 2), rel=0.01)


@pytest.mark.parametrize("size", [(480, 480), (640, 480), (480, 640), (300, 1500)])
@pytest.mark.parametrize("border", [None, lambda h, w: (0, h // 2, 0, w), lambda h, w: (0, h, w // 2, w)])
def test_nothing_is_stretched(size: tuple[int, int], border: Border | None) -> None:
    """Whichever side is short of pixels, the whole view zooms in; the working scale alone sets the aspect."""
    view = make_view(crop=(256, 320), border=border)
    for index in range(5):
        window = view.window(*size, np.random.default_rng(index))
        top, bottom, left, right = border(*size) if border else (0, size[0], 0, size[1])
        assert top <= window.top <= window.top + window.height <= bottom
        assert left <= window.left <= window.left + window.width <= right
        assert window.width == pytest.approx(window.height * 320 / 256, abs=2)
        assert window.height * window.zoom == pytest.approx(256 * size[0] / WORKING.scaled(*size)[0], rel=0.01)


def test_depth_that_leaves_the_range_is_invalid() -> None:
    view = make_view(crop=(96, 128), scale=4.0)
    view = TrainView(view.augment, view.crop_size, WORKING, None, 0, 2.0, 3.0)
    image, outside = ramp_image(), 0
    for index in range(12):
        _, depth, valid = seen(view, image, np.full((480, 640), 2.9, np.float32), 0, index)
        assert valid.all() or not valid.any()
        assert ((depth > 2.0) & (depth < 3.0))[valid].all()
        assert (depth[~valid] == 0).all()
        outside += int(not valid.any())
    assert 0 < outside < 12


def test_depth_is_never_interpolated() -> None:
    rng = np.random.default_rng(1)
    depth = rng.choice(np.float32([0, 1, 2, 4, 8]), (480, 640))
    view, image = make_view(), ramp_image()
    for index in range(5):
        _, metres, valid = seen(view, image, depth, 0, index)
        values = np.unique(metres.numpy()) * zoom_of(view, image, 0, index)
        np.testing.assert_allclose(values, [0, 1, 2, 4, 8], rtol=1e-3)
        assert 0.7 < valid.float().mean() < 0.9


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_border_is_never_seen(scale: float) -> None:
    image = np.full((480, 640, 3), 255, np.uint8)
    image[45:472, 43:608] = 100
    depth = np.full((480, 640), 9.0, np.float32)
    depth[45:472, 43:608] = 2.0
    view = make_view(border=nyu_border, scale=scale)
    for index in range(30):
        colours, metres, _ = seen(view, image, depth, 0, index)
        assert colours.numpy().max() == pytest.approx(100 / 255)
        assert metres.numpy().max() <= 2.05


def test_unlabelled_view() -> None:
    image = ramp_image()
    colours, depth, valid = seen(make_view(), image, None, 0, 0)
    assert torch.equal(colours, seen(make_view(), image, np.ones((480, 640), np.float32), 0, 0)[0])
    assert not depth.any()
    assert not valid.any()


def test_view_depends_on_seed_epoch_and_index_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    depth = np.linspace(1, 9, 48 * 64, dtype=np.float32).reshape(48, 64)
    view = make_view((32, 32), colour_probability=1)
    np.random.seed(0)
    first = seen(view, image, depth, 5, 6)
    np.random.seed(1)
    again = pickle.loads(pickle.dumps(make_view((32, 32), nyu_small, colour_probability=1)))
    assert again.border is nyu_small
    for one, other in zip(first, seen(view, image, depth, 5, 6), strict=True):
        assert torch.equal(one, other)
    others = [seen(view, image, depth, 5, 7), seen(view, image, depth, 6, 6), seen(view, image, depth, 6, 5)]
    others.append(seen(make_view((32, 32), seed=1, colour_probability=1), image, depth, 5, 6))
    assert not any(torch.equal(first[0], other[0]) for other in others)


def nyu_small(height: int, width: int) -> tuple[int, int, int, int]:
    return 4, height, 4, width


def test_colour_options_leave_the_geometry_alone() -> None:
    image = ramp_image(96, 128)
    depth = coordinates(96, 128)[1].astype(np.float32) + 1
    plain, coloured = make_view((64, 64)), make_view((64, 64), colour_probability=1)
    different = 0
    for index in range(6):
        one, other = seen(plain, image, depth, 0, index), seen(coloured, image, depth, 0, index)
        assert torch.equal(one[1], other[1])
        different += int(not torch.equal(one[0], other[0]))
    assert different == 6


@pytest.mark.parametrize(
    ("option", "values", "expected"),
    [
        ("gamma", (2.0, 2.0), np.array([0.25, 0.25, 0.25])),
        ("brightness", (1.5, 1.5), np.array([0.75, 0.75, 0.75])),
        ("brightness", (4.0, 4.0), np.array([1.0, 1.0, 1.0])),
        ("colour", (0.5, 0.5), np.array([0.25, 0.25, 0.25])),
    ],
)
def test_colour_changes(option: str, values: tuple[float, float], expected: np.ndarray) -> None:
    still = {"gamma": (1.0, 1.0), "brightness": (1.0, 1.0), "colour": (1.0, 1.0)}
    view = make_view((32, 32), colour_probability=1, **(still | {option: values}))
    colours, _, _ = seen(view, np.full((64, 64, 3), 128, np.uint8), None, 0, 0)
    np.testing.assert_allclose(colours.mean((1, 2)).numpy(), expected, atol=0.005)


def test_colour_factors_differ_by_channel() -> None:
    colours, _, _ = seen(make_view((32, 32), colour_probability=1), np.full((64, 64, 3), 128, np.uint8), None, 0, 0)
    assert len(set(colours.mean((1, 2)).tolist())) == 3


@pytest.mark.parametrize("size", [(40, 60), (20, 20), (33, 400), (1080, 1920)])
def test_any_image_size_gives_the_crop(size: tuple[int, int]) -> None:
    for rule in ("short-side", "cover", "stretch"):
        working = WorkingSize(240, 320, scale_rule=rule)  # type: ignore[arg-type]
        view = TrainView(AugmentConfig(), (256, 320), working, None, 0, 1e-3, 10)
        for index in range(3):
            colours, depth, valid = seen(view, np.full((*size, 3), 9, np.uint8), np.ones(size, np.float32), 0, index)
            assert colours.shape == (3, 256, 320)
            assert valid.all()
            assert depth.max() <= 1.02


def test_default_crop() -> None:
    assert default_crop(WORKING, nyu_border, reference=(480, 640)) == (192, 256)
    assert default_crop(WORKING, None, reference=(240, 320)) == (224, 320)
    assert default_crop(WorkingSize(352, 704), lambda h, w: (h - 352, h, 0, 1216), (375, 1242)) == (320, 1120)
    assert default_crop(WorkingSize(32, 32), lambda h, w: (0, 2, 0, 2), (100, 100)) == (32, 32)


def test_impossible_views() -> None:
    with pytest.raises(ConfigError, match="crop size 100x128"):
        make_view(crop=(100, 128))
    view = make_view(border=nyu_border)
    with pytest.raises(DataError, match="40x40 pixels has nothing inside"):
        seen(view, np.zeros((40, 40, 3), np.uint8), None, 0, 0)


def test_views_come_again_where_their_number_is_fixed() -> None:
    image, depth = ramp_image(), np.ones((480, 640), np.float32)
    endless, three = make_view(colour_probability=1), make_view(colour_probability=1, views=3)
    for epoch in range(7):
        again, every = seen(three, image, depth, epoch, 5)[0], seen(endless, image, depth, epoch, 5)[0]
        assert torch.equal(again, seen(endless, image, depth, epoch % 3, 5)[0])
        assert torch.equal(again, every) == (epoch < 3)


def test_painted_frames_hide_pixels_and_their_depth_alone():
    image, valid = torch.full((64, 3, 96, 120), 0.3), torch.ones(64, 1, 96, 120).bool()
    torch.manual_seed(0)
    painted, left = paint_frames(image, valid, 0.5)
    hidden = ~left
    assert (image == 0.3).all() and valid.all()  # what was given stays
    assert torch.equal((painted != 0.3).all(dim=1, keepdim=True), hidden)
    framed = hidden.flatten(1).any(dim=1)
    assert 20 < framed.sum() < 44  # about half of the views
    assert left[:, :, 8:-8, 10:-10].all()  # no frame is wider than a twelfth of the side
    assert hidden[:, :, :8].any() and hidden[:, :, -8:].any() and hidden[..., :10].any() and hidden[..., -10:].any()
    colours = painted.amax(dim=(1, 2, 3))[framed]
    assert (colours == 1).sum() > 5 and (painted.amin(dim=(1, 2, 3)) == 0).any()
    torch.manual_seed(0)
    assert torch.equal(paint_frames(image, valid, 0.5)[0], painted)
    assert torch.equal(paint_frames(image, valid, 0.0)[0], image)
