"""int8: what is quantised, what stays float, and what it costs on images with depth."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli import export
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError, ExportError
from disdepth_cli.exporting.exported import open_exported

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def quantised(file):
    """The nodes of a file whose output is stored in 8 bits, and the convolutions whose output is not."""
    graph = onnx.load(file).graph
    stored = {node.input[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    int8 = [node for node in graph.node if stored & set(node.output) and node.op_type != "DequantizeLinear"]
    return int8, [node for node in graph.node if node.op_type == "Conv" and node not in int8]


@pytest.fixture(scope="module")
def whole(tiny_student, rooms, tmp_path_factory):
    """`whole(keep_float)`: what `export` says of the tiny student's int8 file; each made once."""
    made = {}

    def of(keep):
        if keep not in made:
            folder = tmp_path_factory.mktemp(keep)
            made[keep] = export(
                model=tiny_student, precision="int8", calibration=rooms, keep_float=keep, source="128x160",
                output=folder, check=False,
            )  # fmt: skip
        return made[keep]

    return of


@pytest.mark.parametrize("keep", ["head", pytest.param("early", marks=pytest.mark.slow)])
def test_convolutions_are_int8_and_the_heads_arithmetic_is_float(keep, whole):
    int8, floats = quantised(whole(keep)["file"])
    kinds = [node.op_type for node in int8]
    # Div: the first convolution's input is the normalised image.
    assert {"Conv", "Add"} <= set(kinds) <= {"Conv", "Add", "Clip", "Relu", "Resize", "Pad", "Div"}
    assert (len(floats) == 0) == (keep == "head") and len(floats) < kinds.count("Conv")


def test_the_file_says_what_it_was_fitted_to(whole, rooms):
    about = json.loads((Path(whole("early")["folder"]) / "export.json").read_text())
    assert about["float_parts"] == ["head", "resizing", "early"] and about["calibration"]["images"] == len(
        load_source(rooms).train
    )
    assert len(about["calibration"]["sha256"]) == 64
    assert about["calibration"] == whole("head")["metadata"]["calibration"]
    assert open_exported(whole("early")["file"]).precision == "int8, else fp32"


def test_images_without_depth_are_enough_to_fit_it_to(tiny_student, rooms, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, file in enumerate(sorted((rooms.parent / "rgb").iterdir())[:3]):
        cv2.imwrite(str(folder / f"{number}.png"), cv2.imread(str(file)))
    result = export(
        model=tiny_student, precision="int8", calibration=folder, input="tensor", source="128x160", check=False,
        output=tmp_path,
    )  # fmt: skip
    assert result["accuracy"] is None and result["metadata"]["calibration"]["images"] == 2  # every tenth is val
    with pytest.raises(DataError, match="does not exist"):
        export(model=tiny_student, precision="int8", calibration=tmp_path / "none", output=tmp_path)


def test_a_large_loss_is_refused_with_its_figure(tiny_student, rooms, tmp_path, monkeypatch):
    from disdepth_cli.engine import export as engine
    from disdepth_cli.exporting import check

    monkeypatch.setitem(check.LIMITS, "int8", 1.0)
    monkeypatch.setattr(engine, "WORST", -1.0)  # any change is too much
    with pytest.raises(ExportError, match=r"RMSE on val grows by .*%, .*nothing was written; .*--keep-float early"):
        export(model=tiny_student, precision="int8", calibration=rooms, source="128x160", output=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_the_bundled_student_loses_at_most_one_per_cent_of_rmse(kind, real_data, tmp_path):
    pytest.importorskip(kind)
    data = real_data / "nyu_labeled" / "data.yaml"
    result = export(model="bundled", format=kind, precision="int8", calibration=data, output=tmp_path)
    assert result["check"]["state"] == "ok" and result["accuracy"]["images"] == 105
    assert abs(result["accuracy"]["rmse_change"]) <= 0.01
    assert np.isfinite(result["check"]["largest"]) and result["bytes"] < 4.5e6
