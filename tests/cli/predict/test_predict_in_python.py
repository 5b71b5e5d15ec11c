"""What Python predicts is what the command line writes, to the last digit; and what evaluate scores."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from disdepth_cli import Depth, evaluate, load_student, predict
from disdepth_cli.evaluation.metrics import image_metrics
from disdepth_cli.evaluation.protocols import get_protocol, override

ROOM = Path(__file__).parents[3] / "disdepth_cli" / "assets" / "room.jpg"
SIZES = {"usual": (480, 640), "larger": (720, 1280), "smaller": (120, 160), "portrait": (640, 427), "odd": (333, 517)}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A photo in five sizes."""
    folder = tmp_path_factory.mktemp("photos")
    image = cv2.imread(str(ROOM))
    for name, (height, width) in SIZES.items():
        cv2.imwrite(str(folder / f"{name}.png"), cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC))
    return folder


def test_python_and_the_command_line_agree_to_the_last_digit(cli, photos, tmp_path):
    shared = ("predict", photos, "--save-numpy", "--device", "cpu", "--json")
    outcome = cli(*shared, "-o", tmp_path / "out", "--backend", "torch")
    assert outcome.code == 0, outcome.err
    written = {Path(one["image"]).stem: np.load(one["numpy"]) for one in outcome.json["results"]}
    student = load_student("bundled")
    files = [photos / f"{name}.png" for name in SIZES]
    batch = student.predict_batch(files)
    verb = {one.image.stem: one.depth.values for one in predict(photos, device="cpu", backend="torch").results}
    fastest = cli(*shared, "-o", tmp_path / "fastest").json["results"]  # in another runtime, where one is installed
    for file, depth in zip(files, batch, strict=True):
        metres = written[file.stem]
        assert metres.shape == SIZES[file.stem]
        with Image.open(file) as image:
            forms = (file, str(file), file.read_bytes(), image, np.asarray(image))
            assert all(np.array_equal(student.predict(form).values, metres) for form in forms)
        assert np.array_equal(depth.values, metres) and np.array_equal(verb[file.stem], metres)
        (quick,) = (np.load(one["numpy"]) for one in fastest if Path(one["image"]).stem == file.stem)
        assert np.abs(quick / metres - 1).mean() < 1e-5
        read = Depth.load(tmp_path / "out" / f"{file.stem}_depth.npy")
        assert np.array_equal(read.values, metres) and read.unit == "metres"


@pytest.fixture
def nyu(real_data, tmp_path):
    """Twelve real images with depth, evenly spread over the val list: their files and the data.yaml."""
    folder = real_data / "nyu_labeled"
    lines = (folder / "val.txt").read_text().splitlines()[::9]
    (tmp_path / "val.txt").write_text("\n".join(lines))
    described = {"path": str(folder), "val": str(tmp_path / "val.txt"), "depth_scale": 1000, "protocol": "nyu-eigen"}
    (tmp_path / "data.yaml").write_text(json.dumps(described | {"min_depth": 0.001, "max_depth": 10.0}))
    return [tuple(folder / name for name in line.split()[:2]) for line in lines], tmp_path / "data.yaml"


def test_predict_has_the_error_that_evaluate_tells_of(nyu):
    pairs, data = nyu
    student = load_student("bundled")
    protocol = override(get_protocol("nyu-eigen"), min_depth=None)
    rmse = []
    for image, truth in pairs:
        metres = cv2.imread(str(truth), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
        rmse.append(image_metrics(student.predict(image, device="cpu").values, metres, protocol).rmse)
    result = evaluate("bundled", data, device="cpu", baselines=False)
    assert result.images == len(pairs) == 12 and result.protocol["name"] == "nyu-eigen"
    assert np.mean(rmse) == pytest.approx(result.rmse, rel=1e-9)
    assert 0.3 < result.rmse < 0.9 and result.delta1 > 0.55  # metres: the raw call has 1.4 m and 0.17
