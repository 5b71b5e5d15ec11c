"""Exported files give predict's metres in their runtime, say what they are, bring a program that runs them."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from disdepth_cli import export
from disdepth_cli.config import STUDENTS
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import ConfigError, DataError, ExportError, MissingError
from disdepth_cli.exporting import check
from disdepth_cli.exporting.exported import open_exported
from disdepth_cli.scoring.exported_accuracy import accuracy_change
from disdepth_cli.scoring.open_model import open_student

from .conftest import make_student

NEEDS = {"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch", "ncnn": "ncnn", "mnn": "MNN"}
FIRST_CLASS = ("onnx", "openvino", "torch")


def needs(kind):
    for module in ("onnxscript", NEEDS[kind]):
        pytest.importorskip(module, exc_type=ImportError)


def assert_same(depth, wanted, rtol):
    assert depth.shape == wanted.shape and depth.dtype == np.float32
    assert (np.abs(depth - wanted) / wanted).mean() < rtol
    assert np.ptp(wanted) > 0.05 * wanted.mean()  # not just the mean depth, which any graph would give


@pytest.fixture(scope="module")
def whole(tiny_student, tmp_path_factory):
    """`whole(kind)`: what `export` says of the tiny student in that format, for images of 128x160; each made once."""
    made = {}

    def of(kind):
        needs(kind)
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            made[kind] = export(model=tiny_student, format=kind, source="128x160", output=folder)
        return made[kind]

    return of


@pytest.mark.parametrize("kind", FIRST_CLASS)
def test_whole_images_in_and_predicts_metres_out(kind, whole, tiny_student, photo):
    result = whole(kind)
    folder = Path(result["folder"])
    assert result["check"]["state"] == "ok" and result["check"]["mean"] <= 1e-5
    place = Path(result["file"])
    assert place.parent == folder and place.name.startswith("student-128x160-fp32")
    exported = open_exported(str(place))
    assert_same(exported.predict(photo), open_student(tiny_student, "cpu").predict(photo), 1e-5)
    with pytest.raises(DataError, match="takes images of 128x160 only, and this image is 60x160"):
        exported.predict(photo[:60])
    about = json.loads((folder / "export.json").read_text())
    assert about["file"] == place.name and set(about["sha256"]) == set(result["sha256"])
    assert exported.about.model_dump(mode="json") == {name: about[name] for name in result["metadata"]}
    assert (about["layout"], about["dtype"], about["unit"], about["size"]) == ("NHWC", "uint8", "metres", [128, 160])
    assert about["checkpoint_sha256"] and about["versions"]["disdepth"] and str(folder) not in json.dumps(about)


@pytest.mark.parametrize("kind", FIRST_CLASS)
def test_run_py_needs_the_runtime_alone(kind, whole, tiny_student, photo, tmp_path):
    folder = Path(whole(kind)["folder"])
    image, out = tmp_path / "photo.png", tmp_path / "depth.npy"
    cv2.imwrite(str(image), photo[..., ::-1])
    loaded = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0]); print(*sys.modules)"
    command = [sys.executable, "-c", loaded, folder / "run.py", image, out]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    modules = {name.split(".")[0] for name in run.stdout.splitlines()[-1].split()}
    assert "disdepth_cli" not in modules and ("torch" in modules) == (kind == "torch")
    assert "metres" in run.stdout
    assert_same(np.load(out), open_student(tiny_student, "cpu").predict(photo), 1e-5)


def test_the_bare_network_and_its_program(tiny_student, photo, tmp_path):
    needs("onnx")
    result = export(model=tiny_student, input="tensor", source="128x160", output=tmp_path)
    assert Path(result["file"]).name == "student-tensor-64x96-fp32.onnx" and result["check"]["state"] == "ok"
    exported, wanted = open_exported(result["file"]), open_student(tiny_student, "cpu").predict(photo)
    assert_same(exported.predict(photo), wanted, 1e-5)
    with pytest.raises(DataError, match="takes tensors of 64x96 only, and this image becomes 96x64"):
        exported.predict(np.ascontiguousarray(photo.transpose(1, 0, 2)))
    image, out = tmp_path / "photo.png", tmp_path / "depth.npy"
    cv2.imwrite(str(image), photo[..., ::-1])
    subprocess.run([sys.executable, str(tmp_path / "run.py"), str(image), str(out)], capture_output=True, check=True)
    assert_same(np.load(out), wanted, 1e-5)


@pytest.mark.parametrize("kind", ["onnx", "torch"])
@pytest.mark.slow
def test_any_size_in_one_file(kind, tiny_student, photo, tmp_path):
    needs(kind)
    result = export(model=tiny_student, format=kind, input="tensor", dynamic="all", output=tmp_path)
    assert "RMSE 1.52 instead of 0.69" in result["warnings"][0]
    student, runs = open_student(tiny_student, "cpu"), [open_exported(result["file"])]
    if kind == "onnx":
        needs("openvino")
        runs.append(open_exported(result["file"], "openvino"))  # it reads ONNX files as they are
    for image in (photo, photo[:64, :64], np.ascontiguousarray(photo.transpose(1, 0, 2)), photo[:40]):
        for exported in runs:
            assert_same(exported.predict(image), student.predict(image), 1e-5)


def test_a_foreign_or_damaged_file_is_one_line(whole, tmp_path):
    onnx = pytest.importorskip("onnx")
    good = {kind: Path(whole(kind)["file"]) for kind in ("onnx", "torch")}
    other, torn, empty = tmp_path / "foreign.onnx", tmp_path / "torn.onnx", tmp_path / "empty.pt2"
    model = onnx.load(good["onnx"])
    del model.metadata_props[:]
    onnx.save(model, other)
    torn.write_bytes(good["onnx"].read_bytes()[:-200])
    empty.write_bytes(b"")
    (tmp_path / "torn.pt2").write_bytes(good["torch"].read_bytes()[:-2000])
    (tmp_path / "ir").mkdir()
    (tmp_path / "ir" / "student.xml").write_text("<net>")
    for name, words in (
        ("foreign.onnx", "was not written by `disdepth export`"),
        ("torn.onnx", "is damaged"),
        ("empty.pt2", "no .pt2 file"),
        ("torn.pt2", "no .pt2 file|not written by"),
        ("ir", "is damaged"),
        ("none.onnx", "no such file"),
    ):
        with pytest.raises(ExportError, match=words) as caught:
            open_exported(str(tmp_path / name))
        assert name in str(caught.value)


def test_no_pickle_of_a_pt2_is_ever_loaded(whole, tmp_path):
    good, trap, sprung = Path(whole("torch")["file"]), tmp_path / "trap.pt2", tmp_path / "sprung"

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (sprung,))

    def with_member(name, content):
        with zipfile.ZipFile(good) as source, zipfile.ZipFile(trap, "w") as target:
            root = source.namelist()[0].partition("/")[0]
            for member in source.namelist():
                if member != f"{root}/{name}":
                    target.writestr(member, source.read(member))
            target.writestr(f"{root}/{name}", content)

    torch_pickle = io.BytesIO()
    torch.save((Bomb(), {}), torch_pickle)
    weights = {"config": {"a": {"path_name": "weight_0", "is_param": True, "use_pickle": True, "tensor_meta": None}}}
    for name, content in (
        ("data/sample_inputs/model.pt", torch_pickle.getvalue()),
        ("data/constants/opaque_object_0", pickle.dumps(Bomb())),
        ("data/weights/model_weights_config.json", json.dumps(weights)),
    ):
        with_member(name, content)
        with pytest.raises(ExportError, match="not loaded|no .pt2 of plain tensors"):
            open_exported(str(trap))
        assert not sprung.exists()
    torch.load(io.BytesIO(torch_pickle.getvalue()), weights_only=False)
    assert sprung.exists()  # the trap does spring where it is loaded


@pytest.mark.slow
def test_several_images_at_once(tiny_student, photo, tmp_path):
    needs("onnx")
    result = export(model=tiny_student, dynamic="batch", source="128x160", output=tmp_path)
    exported, student = open_exported(result["file"]), open_student(tiny_student, "cpu")
    images = np.stack([photo, photo[::-1], photo[:, ::-1]])
    for depth, image in zip(exported.session.run(images), images, strict=True):
        assert_same(depth, student.predict(image), 1e-5)


@pytest.mark.parametrize("kind", FIRST_CLASS)
def test_half_precision_is_said_and_near(kind, whole, tiny_student, tmp_path):
    full = whole(kind)
    result = export(model=tiny_student, format=kind, precision="fp16", source="128x160", output=tmp_path)
    assert result["metadata"]["precision"] == "fp16" and 0 < result["check"]["mean"] <= 2e-3
    assert result["bytes"] < 0.65 * full["bytes"]
    slow = [warning for warning in result["warnings"] if "25 times" in warning]
    assert len(slow) == (kind == "torch") and all("slow on a CPU" in warning for warning in slow)


def test_accuracy_is_compared_behind_the_same_resizing(whole, tiny_student, rooms):
    """The rooms are 64x96, the file takes 128x160; in fp32 nothing is lost."""
    exported, student = open_exported(whole("onnx")["file"]), open_student(tiny_student, "cpu")
    found = accuracy_change(student, exported, load_source(rooms), (128, 160))
    assert found is not None and found["images"] == 3
    assert abs(found["rmse_change"]) < 1e-5


def test_relative_students_have_no_metres(tiny_relative, photo, tmp_path):
    needs("onnx")
    result = export(model=tiny_relative, source="128x160", output=tmp_path)
    assert result["metadata"]["unit"] == "relative disparity, larger is nearer, no unit"
    exported = open_exported(result["file"])
    assert exported.kind == "disparity"
    np.testing.assert_allclose(exported.predict(photo), open_student(tiny_relative, "cpu").predict(photo), atol=1e-5)


def test_a_graph_that_is_not_predict_is_refused_and_nothing_is_written(tiny_student, tmp_path, monkeypatch):
    needs("onnx")
    from disdepth_cli.exporting import student_graph

    monkeypatch.setattr(student_graph, "resize_layer", lambda source, target: _Nearest(target))
    with pytest.raises(ExportError, match=r"differs from predict's by .* in the mean, .* more than 1e-05"):
        export(model=tiny_student, source="128x160", output=tmp_path)
    assert list(tmp_path.iterdir()) == []
    unchecked = export(model=tiny_student, source="128x160", check=False, output=tmp_path)
    assert unchecked["check"] == {"state": "unchecked", "reason": "--no-check was given"}


def _Nearest(target):
    class Nearest(torch.nn.Module):
        def forward(self, image):
            return torch.nn.functional.interpolate(image.permute(0, 3, 1, 2).float(), target)

    return Nearest()


def test_where_the_runtime_is_missing_it_says_unchecked(tiny_student, tmp_path, monkeypatch):
    needs("onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    result = export(model=tiny_student, source="128x160", output=tmp_path)
    assert result["check"]["state"] == "unchecked"
    assert "needs onnxruntime, which is not installed; pip install 'disdepth[export]'" in result["check"]["reason"]


@pytest.mark.parametrize(
    ("kind", "module", "extra"),
    [("onnx", "onnxscript", "export"), ("openvino", "openvino", "openvino"), ("ncnn", "pnnx", "ncnn"),
     ("mnn", "MNN", "mnn"), ("coreml", "coremltools", "coreml"), ("litert", "litert_torch", "litert")],
)  # fmt: skip
def test_a_missing_tool_is_one_line_with_its_command(kind, module, extra, tiny_student, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    given = {"input": "tensor"} if kind == "ncnn" else {}
    with pytest.raises(MissingError, match=rf"--format {kind}: needs .* pip install 'disdepth\[{extra}\]'"):
        export(model=tiny_student, format=kind, output=tmp_path, **given)


def test_what_a_format_cannot_hold_is_refused(tiny_student, tmp_path):
    for options, words in (
        ({"format": "ncnn"}, "--input image: --format ncnn takes --input tensor only"),
        ({"format": "coreml", "precision": "fp16"}, "--precision fp16: --format coreml takes --precision fp32 only"),
        ({"format": "torch", "precision": "int8"}, "--precision int8: --format torch takes --precision fp32 or fp16"),
        ({"dynamic": "all"}, "add --input tensor"),
        ({"precision": "int8"}, "give --calibration DATA"),
        ({"format": "tensorrt"}, "--format"),
        ({"source": "480"}, "480x640|HEIGHTxWIDTH"),
    ):
        with pytest.raises(ConfigError, match=words):
            export(model=tiny_student, output=tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["ncnn", "mnn"])
def test_second_class_formats_where_their_tools_are(kind, tiny_student, photo, tmp_path):
    needs(kind)
    given = {"input": "tensor"} if kind == "ncnn" else {}
    result = export(model=tiny_student, format=kind, source="128x160", output=tmp_path, **given)
    assert result["check"]["state"] == "ok" and result["check"]["mean"] <= 1e-5


def test_core_ml_is_written_and_never_said_to_be_ok(tiny_student, tmp_path):
    coremltools = pytest.importorskip("coremltools")
    result = export(model=tiny_student, format="coreml", source="128x160", output=tmp_path)
    assert result["check"]["state"] == "unchecked" and not (tmp_path / "run.py").exists()
    described = coremltools.models.MLModel(result["file"], skip_model_load=True).get_spec().description
    assert described.input[0].type.imageType.width == 160 and described.output[0].name == "depth"
    assert json.loads(described.metadata.userDefined["disdepth"])["unit"] == "metres"


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize("lg_conv", ["none", "all"])
@pytest.mark.parametrize("kind", FIRST_CLASS)
def test_every_named_student(kind, lg_conv, name, tmp_path):
    needs(kind)
    student = make_student(tmp_path / "student.safetensors", name, lg_conv, relative=lg_conv == "all")
    result = export(model=student, format=kind, source="128x160", output=tmp_path)
    assert result["check"]["state"] == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("kind", FIRST_CLASS)
@pytest.mark.parametrize("source", ["480x640", "720x1280", "120x160"])
def test_the_bundled_student(kind, source, tmp_path):
    needs(kind)
    result = export(model="bundled", format=kind, source=source, output=tmp_path)
    fused = kind == "openvino" and source == "720x1280"
    assert result["check"]["state"] == "ok" and result["check"]["limit"] == (check.FEW_LEVELS if fused else 1e-5)
