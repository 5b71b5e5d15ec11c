"""Image processor settings, in the forms in which they stand on the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.preprocessing import read_preprocessing


def read(folder: Path, options: object, name: str = "preprocessor_config.json"):
    (folder / name).write_text(json.dumps(options))
    return read_preprocessing(folder, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), (518, 518), 14)


def test_defaults_without_a_file(tmp_path: Path) -> None:
    seen = read_preprocessing(tmp_path, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), (480, 640), 14)
    assert (seen.mean, seen.std) == ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    assert (seen.working_size.height, seen.working_size.width) == (476, 644)


@pytest.mark.parametrize(
    ("options", "image", "scaled"),
    [
        ({"size": {"height": 238, "width": 322}, "keep_aspect_ratio": True}, (480, 640), (238, 322)),
        ({"size": {"height": 518, "width": 518}, "keep_aspect_ratio": True}, (480, 640), (518, 686)),
        ({"size": {"height": 280, "width": 280}, "keep_aspect_ratio": False}, (480, 640), (280, 280)),
        ({"size": {"shortest_edge": 280}}, (480, 640), (280, 378)),
        ({"size": 280}, (480, 640), (280, 280)),
        ({"size": {"height": 384, "width": 384}}, (480, 640), (378, 378)),
        (
            {"size": {"height": 384, "width": 512}, "keep_aspect_ratio": True, "ensure_multiple_of": 32},
            None,
            (448, 448),
        ),
        ({"size": {"height": 9, "width": 9}, "do_resize": False}, (518, 518), (518, 518)),
        ({"size": {"height": 384, "width": 512}, "ensure_multiple_of": 1 / 32}, None, (378, 518)),
    ],
)
def test_working_size(tmp_path: Path, options: dict, image: tuple[int, int] | None, scaled: tuple[int, int]) -> None:
    size = read(tmp_path, options).working_size
    assert size.scaled(*(image or (448, 448))) == scaled
    assert scaled[0] % size.multiple == 0 and scaled[1] % size.multiple == 0


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
        ({}, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)),
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
