"""A teacher of one's own through whole runs: with taps, with depth alone, of stored maps; nothing behind it differs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli import acclimate, distill, evaluate
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.data.files.pair import load_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import CheckpointError, DataError, DisdepthError, TeacherError
from disdepth_cli.observer import Silent

FILE = Path(__file__).parents[1] / "teachers" / "own_network.py"
EXACT = {"device": "cpu", "precision": "fp32", "workers": 0}
SHORT = {"student": "mobilenetv2", "input_size": "64x96", "batch_size": 4, "offline": True, **EXACT}
STUDENT = {**SHORT, "pretrained": False}


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def on_note(self, message: str) -> None:
        self.said.append(message)

    def on_warning(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))


def columns(run: str) -> list[str]:
    return (Path(run) / "metrics.csv").read_text().splitlines()[0].split(",")


def test_a_network_from_a_file_teaches_like_any_other(rooms: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    shutil.copy(FILE, file)
    made = acclimate(teacher=f"{file}:own", data=rooms, output=tmp_path / "acc", max_steps=4, **SHORT)
    assert made["teacher"]["id"] == "net.py:own" and made["steps"] == 4
    assert made["teacher_metrics"]["rmse"] > 0 and made["ghost_metrics"]["rmse"] > 0
    report = distill(teacher=tmp_path / "acc", data=rooms, output=tmp_path / "run", max_steps=4, **STUDENT)
    assert {"depth", "output", "encoder"} <= set(columns(report["run"]))
    record = read_metadata(tmp_path / "run" / "student.safetensors").teacher
    assert record.licence == "cc-by-nc-4.0" and str(tmp_path) not in record.model_dump_json()
    beside = evaluate(model=str(tmp_path / "run"), data=str(rooms), **EXACT)["baselines"]["teacher"]
    assert beside["rmse"] == pytest.approx(made["teacher_metrics"]["rmse"], rel=1e-4)
    file.write_text(file.read_text() + "\n# another adapter\n")
    with pytest.raises(TeacherError, match="not named it"):
        distill(teacher=tmp_path / "acc", data=rooms, output=tmp_path / "again", max_steps=4, **STUDENT)
    acclimate(teacher=f"{file}:own", data=rooms, dry_run=True)
    with pytest.raises(CheckpointError, match="acclimate again"):
        distill(teacher=tmp_path / "acc", data=rooms, output=tmp_path / "again", max_steps=4, **STUDENT)


def test_an_object_in_python_and_a_resumed_run(rooms: Path, tmp_path: Path) -> None:
    """Stopped after its first half and gone on with, the run ends as one that was never stopped."""
    options = {"teacher": f"{FILE}:own", "data": rooms, "max_steps": 6, "save_every": 3, **SHORT}
    whole = acclimate(output=tmp_path / "whole", **options)

    class Stop(Silent):
        def on_step(self, progress) -> None:
            if progress.step == 4:
                raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError, match="plug"):
        acclimate(output=tmp_path / "part", observers=[Stop()], **options)
    part = acclimate(output=tmp_path / "part", resume=True, **options)
    assert part["steps"] == 6 and part["ghost_metrics"] == whole["ghost_metrics"]
    weights = [(tmp_path / run / "acclimated.safetensors").read_bytes() for run in ("whole", "part")]
    assert weights[0] == weights[1]


def test_depth_alone_is_imitated(rooms: Path, tmp_path: Path) -> None:
    notes = Notes()
    report = distill(
        teacher=f"{FILE}:no_taps", data=rooms, output=tmp_path / "run", max_steps=4, observers=[notes], **STUDENT
    )
    assert "own_network.py:no_taps: gives depth and no features: output distillation only" in notes.said
    logged = set(columns(report["run"]))
    assert {"depth", "output"} <= logged and not {"encoder", "decoder"} & logged
    made = json.loads((tmp_path / "run-teacher" / "report.json").read_text())
    assert made["steps"] == 0
    assert made["ghost_metrics"]["rmse"] == pytest.approx(made["teacher_metrics"]["rmse"], rel=0.05)
    scored = evaluate(model=str(tmp_path / "run-teacher"), data=str(rooms), baselines=False, **EXACT)
    assert scored["rmse"] == pytest.approx(made["ghost_metrics"]["rmse"], rel=1e-4)
    with pytest.raises(DisdepthError, match="--train-teacher full: .* gives depth and no features"):
        acclimate(teacher=f"{FILE}:no_taps", data=rooms, output=tmp_path / "t", train_teacher="full", **SHORT)


def test_relative_depth_alone_is_acclimated_to_metres(rooms: Path, tmp_path: Path) -> None:
    notes = Notes()
    report = distill(
        teacher=f"{FILE}:relative", data=rooms, output=tmp_path / "run", max_steps=3, observers=[notes], **STUDENT
    )
    made = json.loads((tmp_path / "run-teacher" / "report.json").read_text())
    assert made["steps"] == 3 and made["output_kind"] == "metric_depth"
    assert "encoder" not in columns(report["run"]) and "output" in columns(report["run"])


def test_focal_lengths_come_from_the_list(rooms: Path, tmp_path: Path) -> None:
    """The rooms' list states them; without, the run says what is missing before it begins."""
    acclimate(teacher=f"{FILE}:by_focal", data=rooms, output=tmp_path / "acc", max_steps=2, **SHORT)
    folder = tmp_path / "bare"
    shutil.copytree(rooms.parent, folder)
    for name in ("train.txt", "val.txt"):
        rows = [" ".join(row.split()[:2]) for row in (folder / name).read_text().splitlines()]
        (folder / name).write_text("\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"rgb/.*by_focal needs the focal length \[pixels\] .*`focal:` in data.yaml"):
        acclimate(teacher=f"{FILE}:by_focal", data=folder, output=tmp_path / "none", max_steps=2, **SHORT)
    with pytest.raises(TeacherError, match="needs the focal length"):
        evaluate(model=f"{FILE}:by_focal", data=str(folder), baselines=False, **EXACT)
    with_list, constant = (
        evaluate(model=f"{FILE}:by_focal", data=str(data), baselines=False, **EXACT)
        for data in (rooms, stated(folder, 96 * 0.8660254))
    )
    assert constant["rmse"] == pytest.approx(with_list["rmse"], rel=1e-4)


def stated(folder: Path, focal: float) -> Path:
    file = folder / "data.yaml"
    file.write_text(file.read_text() + f"\nfocal: {focal:.6f}\n")
    return file


@pytest.fixture(scope="module")
def maps(rooms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rooms' exact depth, as another tool may have written it: float metres, named after the images."""
    folder = tmp_path_factory.mktemp("maps") / "pseudo"
    folder.mkdir()
    source = load_source(rooms)
    for item in (*source.train, *source.val):
        np.save(folder / f"{item.image.stem}.npy", load_pair(item, source)[1])
    (folder / "teacher.yaml").write_text("kind: metric_depth\nlicence: mit\nname: another-tool\n")
    return folder


def test_stored_depth_is_a_teacher(rooms: Path, maps: Path, tmp_path: Path) -> None:
    """Its depth is the truth here: through views, mirrored or not, it must say what the labels say."""
    report = distill(teacher=maps, data=rooms, output=tmp_path / "run", max_steps=4, **STUDENT)
    assert report["teacher"]["id"] == "another-tool" and report["teacher"]["licence"] == "mit"
    made = json.loads((tmp_path / "run-teacher" / "report.json").read_text())
    assert made["teacher_metrics"]["abs_rel"] < 1e-3 and made["ghost_metrics"]["abs_rel"] < 0.02
    assert "teacher" not in report["cost"]
    scored = evaluate(model=str(maps), data=str(rooms), baselines=False, **EXACT)
    assert scored["abs_rel"] < 1e-3


def test_stored_depth_labels_images_without_depth(rooms: Path, maps: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(rooms.parent / "rgb", images)
    report = distill(teacher=maps, data=images, output=tmp_path / "run", max_steps=2, max_depth=10.0, **STUDENT)
    assert report["scored_against"].endswith("depth") and report["best"]["rmse"] > 0


def test_what_is_missing_of_stored_depth_is_told(rooms: Path, maps: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    shutil.copytree(maps, few)
    source = load_source(rooms)
    for item in source.train[:3]:
        (few / f"{item.image.stem}.npy").unlink()
    with pytest.raises(
        DataError, match=rf"another-tool: 3 of {len(source.train)} training images have no stored depth"
    ):
        acclimate(teacher=few, data=rooms, output=tmp_path / "acc", **SHORT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "holds depth maps and no teacher.yaml; write one .*kind: metric_depth"),
        ("kind: metres\n", "kind: Input should be 'metric_depth', 'disparity' or 'relative_depth'"),
        ("kinds: disparity\n", "unknown key 'kinds'; did you mean kind"),
        ("- kind\n", "must be a mapping"),
        ("kind: metric_depth\n", r"depth_scale is missing; PNG files hold whole numbers"),
    ],
)
def test_a_folder_of_maps_says_what_they_are(tmp_path: Path, text: str | None, message: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 6), 1000, np.uint16))
    if text is not None:
        (tmp_path / "teacher.yaml").write_text(text)
    with pytest.raises(TeacherError, match=message):
        acclimate(teacher=tmp_path, data=tmp_path, dry_run=True)


@pytest.mark.slow
def test_holes_and_disparity_of_stored_depth(rooms: Path, tmp_path: Path) -> None:
    """16-bit disparity with unknown pixels: they count nowhere, and no loss becomes NaN."""
    folder = tmp_path / "maps" / "rgb"
    folder.mkdir(parents=True)
    source = load_source(rooms)
    for item in (*source.train, *source.val):
        disparity = 20000 / load_pair(item, source)[1].clip(0.5)
        disparity[10:20, 10:40] = 65535
        cv2.imwrite(str(folder / f"{item.image.stem}_depth.png"), disparity.astype(np.uint16))
    (folder.parent / "teacher.yaml").write_text("kind: disparity\ninvalid_value: 65535\n")
    report = distill(teacher=folder.parent, data=rooms, output=tmp_path / "run", max_steps=3, **STUDENT)
    assert report["skipped_steps"] == 0 and np.isfinite(report["best"]["rmse"])
    made = json.loads((tmp_path / "run-teacher" / "report.json").read_text())
    assert made["skipped_steps"] == 0 and made["steps"] == 3
    images = tmp_path / "images"
    shutil.copytree(rooms.parent / "rgb", images)
    alone = distill(teacher=folder.parent, data=images, output=tmp_path / "alone", max_steps=2, **STUDENT)
    assert alone["output_kind"] == "disparity" and alone["skipped_steps"] == 0


@pytest.mark.slow
def test_stored_depth_beside_a_network(rooms: Path, maps: Path, tmp_path: Path) -> None:
    """Two teachers: both are imitated, and the network's features count alone."""
    report = distill(teacher=[f"{FILE}:own", str(maps)], data=rooms, output=tmp_path / "run", max_steps=3, **STUDENT)
    assert [record["id"] for record in report["teachers"]] == ["own_network.py:own", "another-tool"]
    assert {"encoder", "output"} <= set(columns(report["run"])) and report["skipped_steps"] == 0


def test_a_teacher_that_asks_for_focal_lengths_costs_something(rooms: Path, tmp_path: Path) -> None:
    report = distill(teacher=f"{FILE}:by_focal", data=rooms, output=tmp_path / "run", max_steps=2, **STUDENT)
    assert report["cost"]["teacher"]["latency_ms"] > 0


def test_the_cut_is_exact_in_half_precision(rooms: Path, maps: Path) -> None:
    """Under autocast too, what is cut is sampled in float32: eight bits of a mantissa would move pixels."""
    import torch

    from disdepth_cli.teachers.teacher import cut
    from disdepth_cli.types import DepthOutput, ViewOrigin

    depth = torch.linspace(1, 9, 640).expand(1, 1, 480, 640)
    origin = ViewOrigin.of_one((0.1, 0.1, 0.7, 0.7), True, 1.1, None, {})
    plain = cut(DepthOutput(depth, []), origin, (192, 256), (), "metric_depth").depth
    with torch.autocast("cpu", torch.bfloat16):
        half = cut(DepthOutput(depth, []), origin, (192, 256), (), "metric_depth").depth
    assert half.dtype == torch.float32 and torch.allclose(plain, half, rtol=1e-6)
