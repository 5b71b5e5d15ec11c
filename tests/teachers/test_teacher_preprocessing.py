"""Image processor settings, in the forms in which they stand on the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.preprocessing import read_preprocessing


def read(folder: Path, options: object, name: str = "preprocessor_config.json"):
    (folder / name).write_text(json.dumps(options))
    return read_preprocessing(folder, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2), (518, 518), 14)


def test_defaults_without_a_file(tmp_path: Path) -> None:
    seen = read_preprocessing(tmp_path, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), (480, 640), 14)
    assert (seen.mean, seen.std) == ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    assert (seen.working_size.height, seen.working_size.width) == (476, 644)


KEPT = {"keep_aspect_ratio": True}


@pytest.mark.parametrize(
    ("options", "image", "scaled", "seen"),
    [
        # What the processor makes of the image, and what of that the network's patches of 14 pixels see.
        ({"size": {"height": 238, "width": 322}, **KEPT, "ensure_multiple_of": 14}, (480, 640), (238, 322), None),
        ({"size": {"height": 518, "width": 518}, **KEPT, "ensure_multiple_of": 14}, (480, 640), (518, 686), None),
        ({"size": {"height": 518, "width": 518}, **KEPT, "ensure_multiple_of": 14}, (375, 1242), (518, 1722), None),
        ({"size": {"height": 518, "width": 518}, **KEPT, "ensure_multiple_of": 14}, (96, 128), (392, 518), None),
        ({"size": {"height": 280, "width": 280}, "keep_aspect_ratio": False}, (480, 640), (280, 280), None),
        ({"size": {"shortest_edge": 280}}, (480, 640), (280, 373), (280, 364)),
        ({"size": 280}, (480, 640), (280, 280), None),
        ({"size": {"height": 384, "width": 384}}, (480, 640), (384, 384), (378, 378)),
        ({"size": {"height": 384, "width": 512}, **KEPT, "ensure_multiple_of": 32}, (400, 400), (384, 384), (378, 378)),
        ({"size": {"height": 9, "width": 9}, "do_resize": False}, (518, 518), (518, 518), None),
        ({"do_resize": False}, (480, 640), (480, 640), (476, 630)),
        ({"do_resize": False, "do_pad": True, "size_divisor": 14}, (480, 640), (480, 640), (490, 644)),
        ({"size": {"height": 384, "width": 512}, "ensure_multiple_of": 1 / 32}, (448, 448), (384, 512), (378, 504)),
    ],
)
def test_working_size(
    tmp_path: Path, options: dict, image: tuple[int, int], scaled: tuple[int, int], seen: tuple[int, int] | None
) -> None:
    size = read(tmp_path, options).working_size
    assert size.scaled(*image) == scaled
    assert size.padded(*image) == (seen or scaled)


def test_an_encoder_with_stages_takes_whole_multiples(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 384, "width": 500}}))
    size = read_preprocessing(tmp_path, (0.5,) * 3, (0.5,) * 3, (480, 640), 32, patches=False).working_size
    assert size.scaled(480, 640) == size.padded(480, 640) == (384, 512)


def test_thin_and_huge_images_stay_within_memory(tmp_path: Path) -> None:
    kept = read(tmp_path, {"size": 518, "do_resize": False}).working_size
    rows, columns = kept.padded(6000, 9000)
    assert 2_000_000 < rows * columns < 2_200_000
    assert rows / columns == pytest.approx(6000 / 9000, rel=0.02)


def test_glpn_rounds_down(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_resize": True, "size_divisor": 32}))
    size = read_preprocessing(tmp_path, (0.0,) * 3, (1.0,) * 3, (480, 640), 32, processor="GLPN").working_size
    assert size.padded(375, 1242) == (352, 1216) and size.padded(31, 70) == (32, 64)


def test_a_network_of_one_size_takes_no_other(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 384, "width": 512}}))
    size = read_preprocessing(tmp_path, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), (480, 640), 1, side=1536).working_size
    assert size.scaled(480, 640) == size.padded(480, 640) == (1536, 1536)


@pytest.mark.parametrize(
    ("options", "mean", "std"),
    [
        ({"image_mean": [0.4, 0.5, 0.6], "image_std": [0.1, 0.2, 0.3]}, (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)),
        ({"do_normalize": False, "image_mean": [0.4, 0.5, 0.6]}, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        ({"do_rescale": False, "image_mean": [51, 102, 153], "image_std": [51] * 3}, (0.2, 0.4, 0.6), (0.2, 0.2, 0.2)),
        ({"rescale_factor": 2 / 255, "image_mean": [1] * 3, "image_std": [1] * 3}, (0.5,) * 3, (0.5,) * 3),
        ({"do_resize": True}, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),  # the class's own
        ({}, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2)),
    ],
)
def test_mean_and_std_are_for_the_unit_range(tmp_path: Path, options: dict, mean: tuple, std: tuple) -> None:
    seen = read(tmp_path, options)
    assert seen.mean == pytest.approx(mean) and seen.std == pytest.approx(std)


def test_the_newer_file_name(tmp_path: Path) -> None:
    seen = read(tmp_path, {"image_processor": {"size": {"height": 28, "width": 42}}}, "processor_config.json")
    assert seen.working_size.scaled(100, 100) == (28, 42)


@pytest.mark.parametrize(
    "options", [{"size": {"longest": 3}}, {"size": "big"}, {"image_mean": [1, 2]}, {"image_std": "a"}, {"size": 0}, [1]]
)
def test_nonsense_is_one_line(tmp_path: Path, options: object) -> None:
    with pytest.raises(TeacherError, match=r"preprocessor_config\.json"):
        read(tmp_path, options)
