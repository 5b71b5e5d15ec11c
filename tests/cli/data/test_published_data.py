"""Published data sets at the command line: recognised, said, trained on; and what is wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def scannet(rooms, tmp_path) -> Path:
    """The rooms in the layout of ScanNet: two scenes, millimetres."""
    root = tmp_path / "scannet"
    pairs = zip(sorted((rooms.parent / "rgb").iterdir()), sorted((rooms.parent / "depth").iterdir()), strict=True)
    for number, (image, depth) in enumerate(pairs):
        scene = root / ("scene0000_00" if number < 15 else "scene0001_00")
        for folder in ("color", "depth"):
            (scene / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(scene / "color" / f"{number}.jpg"), cv2.imread(str(image)))
        stored = cv2.imread(str(depth), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(scene / "depth" / f"{number}.png"), stored.astype(np.uint16))
    (root / "scene0001_00" / "depth" / "19.png").unlink()
    return root


def test_a_recognised_layout_is_said_and_trained_on(cli, short, student, scannet, tmp_path):
    run = ("distill", "--no-distill", "--data", scannet, "-o", tmp_path / "run", *short)
    outcome = cli(*run, "--max-steps", "2")
    assert outcome.code == 0, outcome.err
    assert "recognised as scannet; a data.yaml there may say otherwise" in outcome.err
    assert "15 train, 4 val images" in outcome.err and "1 entries left out" in outcome.err
    scored = cli("evaluate", student, "--data", scannet, "--device", "cpu", "--workers", "0", "--json")
    assert scored.code == 0 and scored.json["images"] == 4, scored.err


def test_what_is_wrong_with_a_published_data_set_is_one_line(refused, student, scannet):
    command = ("evaluate", student, "--data", scannet, "--device", "cpu")
    (scannet / "data.yaml").write_text("format: scanet\n")
    refused(1, (scannet / "data.yaml", "format: scanet", "did you mean scannet"), *command)
    (scannet / "data.yaml").write_text("format: vkitti2\n")
    refused(1, ("vkitti_2.0.3_rgb/SceneXX", "there are data.yaml, scene0000_00"), *command)
    (scannet / "data.yaml").unlink()
    for scene in scannet.iterdir():
        shutil.rmtree(scene / "depth")
        (scene / "depth").mkdir()
    refused(1, ("none of 20 can be used", "no scene0000_00/depth/0.png"), *command)
