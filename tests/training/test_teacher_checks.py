"""Before time is spent: does a teacher say through views what is true? Afterwards: what of its word came through?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from disdepth_cli import acclimate, distill
from disdepth_cli.data.files.pair import load_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import TeacherError
from disdepth_cli.observer import Silent
from disdepth_cli.training.acclimation.teacher_checks import TeacherChecks
from disdepth_cli.training.distillation.transfer_errors import came_through, with_control

FILE = Path(__file__).parents[1] / "teachers" / "own_network.py"
EXACT = {"device": "cpu", "precision": "fp32", "workers": 0}
SHORT = {"student": "mobilenetv2", "input_size": "64x96", "batch_size": 4, "offline": True, **EXACT}


class Warnings(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def on_warning(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))


def store(folder: Path, rooms: Path, kind: str, made) -> Path:
    """Stored maps of the rooms: `made` of their exact depth."""
    folder.mkdir()
    source = load_source(rooms)
    for item in (*source.train, *source.val):
        np.save(folder / f"{item.image.stem}.npy", made(load_pair(item, source)[1], item.image.stem))
    (folder / "teacher.yaml").write_text(f"kind: {kind}\n")
    return folder


def test_a_teacher_of_wrong_metres_is_warned_of(rooms: Path, tmp_path: Path) -> None:
    far = store(tmp_path / "far", rooms, "metric_depth", lambda depth, stem: depth * 1.58)
    watcher = Warnings()
    said = acclimate(teacher=far, data=rooms, dry_run=True, observers=[watcher], **SHORT)["teacher"]
    assert "1.580 of the labels" in said["view_check"] and " % on labelled training images" in said["word_check"]
    assert any("its depth is 1.58 times the labels, of whole images too: depth_scale" in one for one in watcher.said)
    near = store(tmp_path / "near", rooms, "metric_depth", lambda depth, stem: depth * 1.03)
    watcher = Warnings()
    report = acclimate(teacher=near, data=rooms, output=tmp_path / "acc", observers=[watcher], **SHORT)
    assert not any("times as far" in one for one in watcher.said)
    assert report["teacher_checks"]["to_labels"] == pytest.approx(1.03, abs=0.01)
    # It agrees with the labels, so it can add little: said once, with what to do.
    assert [one for one in watcher.said if "agrees with your labels to 3 %" in one and "`unlabeled:`" in one]


def test_zoom_does_not_pass_for_wrong_metres(rooms: Path, tmp_path: Path) -> None:
    """Views are magnified by up to a half: the truth stays the truth."""
    exact = store(tmp_path / "exact", rooms, "metric_depth", lambda depth, stem: depth)
    said = acclimate(teacher=exact, data=rooms, dry_run=True, augment={"scale": 1.5, "crop_size": "32x64"}, **SHORT)[
        "teacher"
    ]
    ratio = float(said["view_check"].split("its depth is ")[1].split()[0])
    assert ratio == pytest.approx(1.0, abs=0.005)


def test_views_of_a_network_are_held_against_its_whole_images(rooms: Path, tmp_path: Path) -> None:
    """One whose depth hangs on the size of what it is shown: through views it is not what it is on whole images."""
    file = tmp_path / "net.py"
    text = FILE.read_text() + (
        "\n\ndef by_size():\n    from dataclasses import replace\n    made = own()\n"
        "    return replace(made, max_depth=None, input=lambda p: p, output=lambda g: g['depth'][:, 0] / 1000"
        " * (96 / (g['depth'].shape[-1] * 8)))\n"
    )
    file.write_text(text)
    said = acclimate(
        teacher=f"{file}:by_size", data=rooms, dry_run=True, augment={"scale": 1.0, "crop_size": "32x64"}, **SHORT
    )["teacher"]
    ratio = float(said["view_check"].split("its depth is ")[1].split()[0])
    assert ratio > 1.2 and "of its own depth of the whole image" in said["view_check"]


def test_relative_numbers_that_run_the_other_way_are_refused(rooms: Path, tmp_path: Path) -> None:
    wrong = store(tmp_path / "wrong", rooms, "disparity", lambda depth, stem: depth)
    with pytest.raises(TeacherError, match=r"declares disparity, but its numbers grow with your labels' depth \(rank"):
        acclimate(teacher=wrong, data=rooms, output=tmp_path / "acc", max_steps=2, **SHORT)
    right = store(tmp_path / "right", rooms, "disparity", lambda depth, stem: 1 / np.maximum(depth, 0.1))
    said = acclimate(teacher=right, data=rooms, dry_run=True, **SHORT)["teacher"]
    assert said["view_check"] == "not done: the teacher gives no metres"


def test_without_data_a_dry_run_checks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = acclimate(teacher=f"{FILE}:own", dry_run=True)["teacher"]
    assert said["view_check"] == said["word_check"] == "not done: give --data"


def test_images_without_labels_are_held_against_whole_images_alone(rooms: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(rooms.parent / "rgb", images)
    said = acclimate(teacher=f"{FILE}:own", data=images, dry_run=True, **SHORT)["teacher"]
    assert "of its own depth of the whole image" in said["view_check"] and "labels" not in said["view_check"]
    assert said["word_check"] == "not done: no labels"


def test_warnings_name_what_was_found() -> None:
    told = list(TeacherChecks(50, to_whole=1.58).warnings("meter", unlabelled=True))
    assert len(told) == 1 and "1.58 times as far as it says of the whole image" in told[0]
    assert list(TeacherChecks(50, 0.89, 1.04, 1.13, 0.2, 0.2).warnings("dav2", unlabelled=False)) == []
    assert list(TeacherChecks(50, 1.0, 1.0, 1.0, 0.07, 0.15).warnings("meter", unlabelled=True)) == []


def test_what_came_through_stands_in_the_report(rooms: Path, acclimated: Path, tmp_path: Path) -> None:
    options = {"data": rooms, "teacher": str(acclimated), "max_steps": 4, "pretrained": False, **SHORT}
    report = distill(output=tmp_path / "run", control=True, **options)
    stored = json.loads((tmp_path / "run" / "report.json").read_text())["came_through"]
    assert stored == report["came_through"]
    for side in ("train", "val"):
        assert set(stored[side]) == {"teacher", "ghost", "student", "control"}
        assert all(metrics["rmse"] > 0 for metrics in stored[side].values())
    assert stored["val"]["student"]["rmse"] == pytest.approx(report["best"]["rmse"])
    assert stored["val"]["control"]["rmse"] == pytest.approx(report["control"]["metrics"]["rmse"])
    assert "RMSE on training images: teacher" in stored["verdict"] and "control" in stored["verdict"]


def side(**rmse: float) -> dict[str, dict[str, float]]:
    return {who: {"rmse": value, "mae": 1.0} for who, value in rmse.items()}


@pytest.mark.parametrize(
    ("train", "val", "verdict"),
    [
        (side(teacher=0.27, ghost=0.29, student=0.62), side(student=0.69), "the student underfits"),
        (side(teacher=0.30, ghost=0.45, student=0.40), side(student=0.69), "the ghost decoder loses some"),
        (side(teacher=0.27, ghost=0.32, student=0.62), side(student=0.65), "the student underfits"),
        (side(teacher=0.0, ghost=0.32, student=0.62), side(student=0.65), "the ghost decoder loses some"),
        (
            side(teacher=0.50, ghost=0.52, student=0.30),
            side(student=0.69),
            "the student knows its training images better",
        ),
        (side(teacher=0.50, ghost=0.52, student=0.53), side(student=0.55), "what the teacher says comes through"),
    ],
)
def test_the_verdict_says_who_underfits(train: dict, val: dict, verdict: str) -> None:
    found = came_through(train, val)
    assert found["verdict"].startswith(verdict)
    assert found["train"]["student"] == {"rmse": train["student"]["rmse"]}  # what the report shows


def test_the_control_joins_a_report() -> None:
    known = came_through(side(student=0.6), side(student=0.7))
    assert with_control(known, {"train_metrics": {"rmse": 0.5}, "metrics": {"rmse": 0.8}}) == {
        "train": {"student": {"rmse": 0.6}, "control": {"rmse": 0.5}},
        "val": {"student": {"rmse": 0.7}, "control": {"rmse": 0.8}},
        "verdict": "what the teacher says comes through (RMSE on training images: student 0.600, control 0.500; the "
        "student's on val 0.700)",
    }
    assert with_control(None, {}) is None
