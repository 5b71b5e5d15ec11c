"""The rendered rooms of the quickstart: the same bytes for a seed, exact depth, well-formed lists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from disdepth_cli.demo.geometry import Ball, Box, Camera, Material, Room, Tube, trace
from disdepth_cli.demo.rooms import room, write_rooms

GREY = Material(np.full(3, 0.5), np.full(3, 0.5))


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small rooms, ten to train on and two to validate on."""
    folder = tmp_path_factory.mktemp("rooms")
    write_rooms(folder, count=12, height=48, width=64, seed=3)
    return folder


def empty_room(pitch: float = 0.0, yaw: float = 0.0) -> tuple[list, Camera]:
    """A room of 6 x 4 x 2.5 m, the camera 2 m from one wall and 1.5 m above the floor."""
    camera = Camera(np.array([2.0, 2.0, 1.5]), yaw, pitch, 48, 64, focal=55.0)
    size = np.array([6.0, 4.0, 2.5])
    return [Room(size / 2, size / 2, GREY)], camera


def test_same_seed_same_bytes(rooms: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "disdepth_cli.demo.rooms", str(tmp_path)]
    subprocess.run([*command, "--count", "12", "--size", "48x64", "--seed", "3"], check=True)
    files = sorted(path.relative_to(rooms) for path in rooms.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) == 27
    for file in files:
        assert (rooms / file).read_bytes() == (tmp_path / file).read_bytes(), file


def test_every_room_is_another(rooms: Path) -> None:
    """Within a seed, between train and val, and between seeds."""
    depths = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED).tobytes() for path in (rooms / "depth").iterdir()]
    assert len(set(depths)) == 12
    assert not np.array_equal(room(3, 0, 0, 48, 64)[1], room(3, 1, 0, 48, 64)[1])
    assert not np.array_equal(room(3, 0, 0, 48, 64)[1], room(4, 0, 0, 48, 64)[1])


def test_lists_and_yaml_are_well_formed(rooms: Path) -> None:
    config = yaml.safe_load((rooms / "data.yaml").read_text())
    assert config == {
        "path": ".",
        "train": "train.txt",
        "val": "val.txt",
        "depth_scale": 1000,
        "min_depth": 0.001,
        "max_depth": 10.0,
        "protocol": "plain",
    }
    lines = {name: (rooms / config[name]).read_text().splitlines() for name in ("train", "val")}
    assert [len(lines["train"]), len(lines["val"])] == [10, 2]
    photos = []
    for line in lines["train"] + lines["val"]:
        photo, depth, focal = line.split()
        assert (rooms / photo).is_file() and (rooms / depth).is_file()
        # 60 degrees across 64 pixels.
        assert float(focal) == pytest.approx(32 / np.tan(np.pi / 6), abs=1e-3)
        photos.append(photo)
    assert len(set(photos)) == 12


def test_every_pixel_has_depth_in_range(rooms: Path) -> None:
    for path in (rooms / "depth").iterdir():
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert depth.dtype == np.uint16 and depth.shape == (48, 64)
        assert depth.min() >= 400 and depth.max() <= 9900
        photo = cv2.imread(str(rooms / "rgb" / path.name))
        assert photo.shape == (48, 64, 3) and photo.std() > 5


def test_facing_wall_has_one_planar_depth() -> None:
    """A wall at right angles to the optical axis: planar depth is the same in its middle and its corners."""
    solids, camera = empty_room()
    depth, _ = trace(solids, camera)
    assert np.allclose(depth[20:28, 24:40], 4.0, atol=1e-9)
    # Off the axis the side walls come first: 2 m to the side, so depth = 2 m * focal / x.
    assert depth[24, 63] == pytest.approx(2.0 * 55.0 / 31.5, abs=1e-9)


@pytest.mark.parametrize("pitch", [0.0, -10.0, -25.0])
def test_floor_depth_follows_from_camera_height_and_pitch(pitch: float) -> None:
    """A floor pixel y below the axis is at depth height / (y cos(pitch) - sin(pitch)), y in focal lengths."""
    angle = np.deg2rad(pitch)
    solids, camera = empty_room(pitch=angle)
    depth, _ = trace(solids, camera)
    y = (np.arange(48) + 0.5 - 24) / camera.focal
    down = y * np.cos(angle) - np.sin(angle)
    with np.errstate(divide="ignore"):
        floor = np.where(down > 0, 1.5 / down, np.inf)
    # The wall ahead ends the floor: 4 m away along the floor.
    wall = 4.0 / (np.cos(angle) + y * np.sin(angle))
    column = depth[:, 31]
    seen = floor < wall - 1e-6
    assert seen.sum() >= 3
    assert np.allclose(column[seen], floor[seen], atol=1e-9)


def test_depth_is_planar_at_any_yaw() -> None:
    """The point that a pixel and its depth name lies on the wall that was hit."""
    solids, camera = empty_room(pitch=-0.3, yaw=0.7)
    depth, _ = trace(solids, camera)
    points = camera.position[:, None, None] + camera.rays() * depth
    faces = np.stack([points, np.array([6.0, 4.0, 2.5])[:, None, None] - points])
    assert np.allclose(np.abs(faces).min(axis=(0, 1)), 0.0, atol=1e-9)
    assert faces.min() > -1e-9


@pytest.mark.parametrize("kind", [Box, Ball, Tube])
def test_solid_in_front_of_the_wall(kind: type) -> None:
    """Each solid's nearest point is its half depth in front of its centre; its outline hides the wall."""
    solids, camera = empty_room()
    solids.append(kind(np.array([4.0, 2.0, 1.5]), np.array([0.5, 0.5, 0.5]), GREY))
    depth, which = trace(solids, camera)
    assert depth[which == 1].min() == pytest.approx(1.5, abs=2e-3)
    assert depth[which == 1].max() < 2.5
    # Half a metre to each side at 1.5 m or more: at most 37 pixels of 64 across.
    assert 20 <= (which[24] == 1).sum() <= 37


def test_stored_depth_is_millimetres() -> None:
    _, depth = room(3, 0, 0, 48, 64)
    assert depth.dtype == np.uint16 and depth.min() > 400 and depth.max() < 9900
