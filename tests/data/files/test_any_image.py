"""An image in any form that Python has for one: always the same pixels, or one line that says what to give."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from disdepth_cli.data.files.any_image import as_rgb
from disdepth_cli.data.files.images import read_image
from disdepth_cli.errors import DataError

RANDOM = np.random.default_rng(3)
PIXELS = RANDOM.integers(0, 256, (12, 17, 3), dtype=np.uint8)


def every_form(tmp_path, image: Image.Image, **save):
    """The image as a path, as text, bytes and PIL image."""
    file = tmp_path / "image.png"
    image.save(file, **save)
    return [file, str(file), file.read_bytes(), bytearray(file.read_bytes()), Image.open(file)]


def test_all_forms_of_one_image_are_equal(tmp_path):
    for form in every_form(tmp_path, Image.fromarray(PIXELS)):
        assert np.array_equal(as_rgb(form), PIXELS)
    for array in (PIXELS, np.asfortranarray(PIXELS), np.repeat(PIXELS, 2, axis=1)[:, ::2]):
        rgb = as_rgb(array)
        assert np.array_equal(rgb, PIXELS) and rgb.flags["C_CONTIGUOUS"] and rgb.dtype == np.uint8


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16"])
def test_grey_alpha_palettes_and_16_bit_are_what_the_file_is(tmp_path, mode):
    if mode == "I;16":
        image = Image.fromarray(RANDOM.integers(0, 65536, (12, 17)).astype(np.uint16))
    else:
        image = Image.fromarray(PIXELS).convert(mode)
    forms = every_form(tmp_path, image)
    expected = read_image(tmp_path / "image.png")
    for form in forms:
        difference = np.abs(as_rgb(form).astype(int) - expected)
        assert difference.max() <= (1 if mode == "I;16" else 0)  # OpenCV and Pillow round 16 bit differently


def test_arrays_of_grey_and_with_alpha():
    grey = PIXELS[..., 0]
    for array in (grey, grey[..., None]):
        assert np.array_equal(as_rgb(array), np.dstack([grey] * 3))
    assert np.array_equal(as_rgb(np.dstack([PIXELS, grey])), PIXELS)


def test_the_orientation_a_camera_wrote_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    for form in every_form(tmp_path, Image.fromarray(PIXELS), exif=exif):
        assert np.array_equal(as_rgb(form), np.rot90(PIXELS, -1))


def test_a_lossy_file_is_the_same_in_every_form(tmp_path):
    stream = io.BytesIO()
    Image.fromarray(np.repeat(np.repeat(PIXELS, 8, 0), 8, 1)).save(stream, "JPEG", quality=90)
    (tmp_path / "a.jpg").write_bytes(stream.getvalue())
    read = as_rgb(tmp_path / "a.jpg")
    assert np.array_equal(as_rgb(stream.getvalue()), read)
    assert np.abs(as_rgb(Image.open(stream)).astype(int) - read).max() <= 4  # two decoders


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (PIXELS / 255.0, (r"float64 of shape \(12, 17, 3\)", r"\* 255\)\.round\(\)\.astype\('uint8'\)")),
        (PIXELS.astype(np.uint16), ("uint16", "16 bit")),
        (PIXELS.astype(np.int64), ("int64", "give uint8")),
        (PIXELS > 3, ("bool", "give uint8")),
        (PIXELS.transpose(2, 0, 1), ("channels come last", r"transpose\(1, 2, 0\)")),
        (PIXELS[None], ("a batch", "predict_batch")),
        (PIXELS[..., :2], (r"\(H, W, 3\)",)),
        (np.zeros((0, 4, 3), np.uint8), (r"\(H, W, 3\)",)),
        (["a.png", "b.png"], ("is a list", "predict_batch")),
        (None, ("NoneType", "give a path")),
        (b"", ("0 bytes", "not a readable image")),
        (b"no image", ("8 bytes", "not a readable image")),
        (Image.fromarray(np.zeros((2, 2), np.float32)), ("PIL image", "float values")),
        ("nowhere.png", ("nowhere.png", "cannot be read")),
    ],
)
def test_what_is_no_image_is_one_line(image, words):
    with pytest.raises(DataError) as refused:
        as_rgb(image)
    message = str(refused.value)
    assert "\n" not in message
    for word in words:
        assert refused.match(word)


def test_a_torch_tensor_is_told_what_to_do():
    import torch

    with pytest.raises(DataError, match="of type Tensor; give a path, bytes"):
        as_rgb(torch.zeros(1, 3, 64, 96))
