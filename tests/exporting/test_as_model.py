"""Exported files where a student is taken: predict and evaluate; and a checkpoint in another runtime than PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli import evaluate, export, predict
from disdepth_cli.errors import ConfigError, ExportError, MissingError
from disdepth_cli.observer import Silent
from disdepth_cli.scoring import backend
from disdepth_cli.scoring.open_model import open_student

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
PROBE = """
import json, sys
from disdepth_cli import predict
result = predict([sys.argv[1]], model=sys.argv[2], output=sys.argv[3], save_numpy=True)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


class Told(Silent):
    def __init__(self):
        self.notes, self.warnings = [], []

    def on_note(self, message):
        self.notes.append(message)

    def on_warning(self, message):
        self.warnings.append(message)


@pytest.fixture
def image(photo, tmp_path) -> Path:
    file = tmp_path / "photo.png"
    cv2.imwrite(str(file), photo[..., ::-1])
    return file


@pytest.fixture(scope="module")
def files(tiny_student, tmp_path_factory):
    """Format to the exported file for images of 64x96, as the rendered rooms are."""
    pytest.importorskip("openvino")
    folder = tmp_path_factory.mktemp("files")
    return {
        kind: export(model=tiny_student, format=kind, source="64x96", output=folder / kind)["file"]
        for kind in ("onnx", "openvino", "torch")
    }


@pytest.fixture
def empty_cache(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "exports"


def depth_of(result):
    return np.load(result["results"][0]["numpy"])


@pytest.mark.slow
def test_onnx_predicts_without_torch(tiny_student, image, photo, tmp_path):
    result = export(model=tiny_student, source="128x160", output=tmp_path / "export")
    command = [sys.executable, "-c", PROBE, image, result["file"], tmp_path / "out"]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    modules = set(json.loads(run.stdout.splitlines()[-1]))
    assert {"onnxruntime", "cv2"} <= modules
    assert not modules & {"torch", "timm", "torchvision", "transformers", "accelerate", "scipy"}
    wanted = open_student(tiny_student, "cpu").predict(photo)
    np.testing.assert_allclose(np.load(tmp_path / "out" / "photo_depth.npy"), wanted, rtol=1e-4)


@pytest.mark.parametrize("kind", ["onnx", "openvino", "torch"])
@pytest.mark.slow
def test_evaluate_scores_a_file_as_its_student(kind, files, tiny_student, rooms):
    result = evaluate(model=files[kind], data=rooms, workers=0)
    student = evaluate(model=tiny_student, data=rooms, workers=0)
    for metric in ("abs_rel", "rmse", "delta1"):
        assert result[metric] == pytest.approx(student[metric], rel=1e-4)
    assert result["parameters"] == student["parameters"] and result["images"] == student["images"]
    assert "trained without a teacher" in result["baselines"]["teacher"]["unavailable"]


def test_the_folder_of_an_export_is_a_model_too(files, image):
    folder = Path(files["openvino"]).parent
    names = (files["openvino"], Path(files["openvino"]) / "student.xml", folder)
    opened = [backend.open_elsewhere(str(name)) for name in names]
    assert {one.session.runtime.split()[0] for one in opened} == {"OpenVINO"}
    assert backend.open_elsewhere(str(Path(files["onnx"]).parent)).session.runtime.startswith("ONNX Runtime")


def test_images_of_another_size_are_named_and_the_others_are_done(files, image, rooms, tmp_path):
    room = sorted((rooms.parent / "rgb").iterdir())[0]
    told = Told()
    result = predict(sources=[str(image), str(room)], model=files["onnx"], output=tmp_path, observers=[told])
    assert len(result["results"]) == 1 and len(result["errors"]) == 1
    assert "takes images of 64x96 only, and this image is 128x160" in told.warnings[0]
    assert str(image) in told.warnings[0]


@pytest.mark.slow
def test_auto_exports_a_checkpoint_once_says_so_and_gives_its_metres(tiny_student, image, photo, empty_cache, tmp_path):
    wanted = open_student(tiny_student, "cpu").predict(photo)
    for number in (1, 2):
        told = Told()
        result = predict(
            sources=[str(image)], model=tiny_student, save_numpy=True, output=tmp_path, device="cpu",
            observers=[told],
        )  # fmt: skip
        np.testing.assert_allclose(depth_of(result), wanted, rtol=1e-5)
        said = [note for note in told.notes if "exporting" in note and "once" in note]
        assert len(said) == (1 if number == 1 else 0)
    assert len(list(empty_cache.glob("*.onnx"))) == 1
    assert (depth_of(result) != wanted).any()  # another runtime rounds otherwise: PyTorch did not run it
    torn = next(empty_cache.glob("*.onnx"))
    torn.write_bytes(torn.read_bytes()[:1000])
    assert backend.open_elsewhere(str(tiny_student), device="cpu").predict(photo).shape == photo.shape[:2]


def test_torch_is_taken_where_it_is_asked_for_or_nothing_else_is_here(tiny_student, monkeypatch, empty_cache):
    model = str(tiny_student)
    assert backend.open_elsewhere(model, "torch") is None
    assert backend.open_elsewhere(model, device="cuda") is None
    assert backend.open_elsewhere(model, precision="bf16", device="cpu") is None
    monkeypatch.setattr(backend, "is_installed", lambda module: False)
    assert backend.open_elsewhere(model, device="cpu") is None
    assert not empty_cache.exists()


def test_a_student_that_cannot_be_exported_runs_in_torch_and_that_is_said_once(tiny_student, monkeypatch, empty_cache):
    from disdepth_cli.exporting import write

    monkeypatch.setattr(write, "write_student", lambda *_: (_ for _ in ()).throw(NotImplementedError("no such layer")))
    told = Told()
    for _ in range(2):
        assert backend.open_elsewhere(str(tiny_student), device="cpu", observer=told) is None
    assert len(told.warnings) == 1 and "no such layer" in told.warnings[0] and "PyTorch runs" in told.warnings[0]
    with pytest.raises(ExportError, match="no such layer"):
        backend.open_elsewhere(str(tiny_student), "onnx")


def test_what_a_backend_does_not_have_is_refused(tiny_student, files, tiny_teacher):
    for model, options, words in (
        (tiny_student, {"backend": "onnx", "device": "cuda"}, "--device cuda: --backend onnx runs on the CPU"),
        (tiny_student, {"backend": "openvino", "precision": "bf16"}, "--precision bf16"),
        (files["onnx"], {"device": "cuda"}, "--device cuda: .* runs on the CPU"),
        (files["torch"], {"backend": "openvino"}, "--backend openvino: .* runs with torch"),
        (files["openvino"], {"backend": "onnx"}, "runs with openvino"),
        (tiny_teacher, {"backend": "onnx"}, "is no student"),
    ):
        with pytest.raises(ConfigError, match=words):
            backend.open_elsewhere(str(model), **options)


def test_a_missing_runtime_is_one_line_with_its_command(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingError, match=r"needs onnxruntime, .* pip install 'disdepth\[export\]'"):
        backend.open_elsewhere(files["onnx"])


@pytest.mark.slow
def test_openvino_runs_a_checkpoint_in_float32(tiny_student, photo):
    pytest.importorskip("openvino")
    predictor = backend.open_elsewhere(str(tiny_student), "openvino")
    assert predictor.precision == "fp32" and predictor.session.runtime.startswith("OpenVINO")
    wanted = open_student(tiny_student, "cpu").predict(photo)
    assert (np.abs(predictor.predict(photo) - wanted) / wanted).mean() < 1e-5
