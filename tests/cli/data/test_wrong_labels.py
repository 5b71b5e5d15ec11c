"""Labels of the wrong unit or kind: what check says of a data set, training says before time is spent."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli.config import DistillConfig
from disdepth_cli.errors import DataError
from disdepth_cli.observer import Silent
from disdepth_cli.training.prepare import prepare_data


class Warnings(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def on_warning(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def spoilt(own_rooms: Path):
    """`spoilt(change, names)`: the rooms with the stored depth of those files changed; names: every n-th of a list."""

    def change(by, every: int = 1, split: str = "train") -> Path:
        rows = (own_rooms.parent / f"{split}.txt").read_text().splitlines()
        for row in rows[::every]:
            file = own_rooms.parent / row.split()[1]
            stored = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            cv2.imwrite(str(file), by(stored.astype(np.float64)).clip(0, 65535).astype(np.uint16))
        return own_rooms

    return change


@pytest.fixture
def said(cli, tmp_path: Path):
    """`said(data)`: (what check says, what training says)."""

    def look(data: Path) -> tuple[list[str], list[str]]:
        found = cli("check", data, "--json", "-o", tmp_path / "checks").json
        watcher = Warnings()
        prepare_data(DistillConfig(data=str(data), input_size="64x96"), watcher)  # type: ignore[arg-type]
        return [*found["errors"], *found["warnings"]], watcher.said

    return look


def both(found: tuple[list[str], list[str]], *words: str) -> None:
    for lines in found:
        assert any(all(word in line for word in words) for line in lines), (lines, words)


def test_sound_labels_are_not_spoken_of(said, own_rooms) -> None:
    assert said(own_rooms) == ([], [])


def test_half_of_the_labels_in_another_unit(said, spoilt) -> None:
    both(said(spoilt(lambda stored: stored / 10, every=2)), "of two groups", "may be 10 apart", "depth_scale")


def test_val_in_another_unit(said, spoilt) -> None:
    both(said(spoilt(lambda stored: stored / 5, split="val")), "median depth of train", "that of val", "{train: ")


def test_all_in_centimetres(said, spoilt) -> None:
    spoilt(lambda stored: stored / 10)
    both(said(spoilt(lambda stored: stored / 10, split="val")), "median depth is 0.3", "depth_scale")


def test_inverse_depth(said, spoilt) -> None:
    spoilt(lambda stored: 8e6 / stored.clip(1))
    both(said(spoilt(lambda stored: 8e6 / stored.clip(1), split="val")), "farther at the bottom", "depth_kind")


def test_one_value_everywhere(said, spoilt) -> None:
    both(said(spoilt(lambda stored: np.full_like(stored, 2000), every=5)), "4 depth maps hold one value everywhere")


def test_maps_without_any_depth(said, spoilt) -> None:
    checked, trained = said(spoilt(np.zeros_like, every=5))
    assert any("4 depth maps have nothing in the data's range" in line for line in checked)
    assert any("4 of 17 training depth maps looked at have no depth in range" in line for line in trained)


@pytest.mark.parametrize("by", [np.zeros_like, lambda stored: np.full_like(stored, 65535)])
def test_no_training_depth_in_range_ends_before_the_first_step(refused, spoilt, short, tmp_path, by) -> None:
    words = ("none of 17 training depth maps looked at has depth between 0.001 and 10 m", "such as rgb/")
    refused(1, words, "distill", "--no-distill", "--data", spoilt(by), "-o", tmp_path / "run", *short)
    assert not (tmp_path / "run").exists()


def test_a_mark_for_no_measurement_that_counts_as_depth(cli, spoilt, tmp_path) -> None:
    data = spoilt(lambda stored: np.where(np.arange(stored.shape[1]) < 9, 65535, stored))
    data.write_text(data.read_text().replace("max_depth: 10", "max_depth: 80"))
    assert any("invalid_value: 65535" in line for line in cli("check", data, "--json", "--no-picture").json["warnings"])
    data.write_text(data.read_text() + "invalid_value: 65535\n")
    assert cli("check", data, "--json", "--no-picture").json["warnings"] == []


def test_depth_maps_in_the_place_of_images_end_training_too(refused, own_rooms, short, tmp_path) -> None:
    (own_rooms.parent / "rgb").rename(own_rooms.parent / "pictures")
    (own_rooms.parent / "other").mkdir()
    for file in (own_rooms.parent / "depth").iterdir():
        file.rename(own_rooms.parent / "other" / f"z{file.name}")
    words = ("are 16-bit grey, as depth maps are: these are not photographs", "rgb/ and depth into depth/")
    data = own_rooms.parent / "other"
    refused(1, words, "distill", "--data", data, "-o", tmp_path / "run", "--teacher", "x/y", *short)
    with pytest.raises(DataError, match="not photographs"):
        prepare_data(DistillConfig(data=str(data)))
