"""Without the optional packages: plain images work, and whatever needs one says the command that installs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io

HIDDEN = """
import sys
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None
from disdepth_cli.__main__ import main
main()
"""
EXTRAS = "matplotlib,h5py,OpenEXR,scipy,datasets,tensorboard"
SMALL = ("--no-distill", "--no-pretrained", "--offline", "--device", "cpu", "--workers", "1", "--batch-size", "2")


def without(packages: str, *args: object) -> subprocess.CompletedProcess[str]:
    """The command line, where these packages cannot be imported."""
    command = [sys.executable, "-c", HIDDEN, packages, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert result.returncode == 1
    return line


@pytest.fixture
def frames(rooms, tmp_path):
    """`frames(suffix)`: a folder of two rooms whose depth has this suffix."""

    def make(suffix: str) -> Path:
        for kind in ("rgb", "depth"):
            (tmp_path / "data" / kind).mkdir(parents=True)
        for image in sorted((rooms.parent / "rgb").iterdir())[:2]:
            shutil.copy(image, tmp_path / "data" / "rgb")
            (tmp_path / "data" / "depth" / f"{image.stem}{suffix}").write_bytes(b"never opened")
        return tmp_path / "data"

    return make


def test_predict_needs_none_of_them(photo, student, tmp_path):
    result = without(EXTRAS, "predict", photo, "-m", student, "-o", tmp_path, "--device", "cpu")
    assert result.returncode == 0, result.stderr
    with_all = subprocess.run(
        [sys.executable, "-m", "disdepth_cli", "predict", photo, "-m", student, "-o", tmp_path / "all"], check=True
    )
    assert with_all.returncode == 0
    names = [file.name for file in tmp_path.glob("*.png")]
    assert len(names) == 2
    for name in names:
        assert (cv2.imread(str(tmp_path / name), -1) == cv2.imread(str(tmp_path / "all" / name), -1)).all()


def test_a_colour_map_of_matplotlib(photo, student, tmp_path):
    for name in ("turbo", "gray", "plasma_r"):
        result = without("matplotlib", "predict", photo, "-m", student, "-o", tmp_path, "--colormap", name)
        assert result.returncode == 0, result.stderr
    line = refusal(without("matplotlib", "predict", photo, "-m", student, "-o", tmp_path, "--colormap", "jet"))
    assert line.startswith("error: --colormap jet (any but Spectral, gray, inferno, ")
    assert line.endswith("needs matplotlib, which is not installed; pip install 'disdepth[plots]'")


def test_a_run_has_no_curves_and_says_so(rooms, tmp_path):
    run = tmp_path / "run"
    command = ("distill", "--data", rooms, "-o", run, "--input-size", "64x96", "--max-steps", 2, *SMALL)
    result = without(EXTRAS, *command)
    assert result.returncode == 0, result.stderr
    assert "curves.png: needs matplotlib, which is not installed; pip install 'disdepth[plots]'" in result.stderr
    assert json.loads((run / "report.json").read_text())["steps"] == 2 and not (run / "curves.png").exists()
    assert "<svg" in (run / "report.html").read_text() and "data:image/jpeg" in (run / "report.html").read_text()


def test_check_draws_no_histogram_and_says_so(rooms, tmp_path):
    result = without(EXTRAS, "check", rooms, "-o", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "needs matplotlib, which is not installed; pip install 'disdepth[plots]', or add --no-pic" in result.stderr
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("verb", ["check", pytest.param("distill", marks=pytest.mark.slow), "evaluate"])
def test_depth_as_exr(verb, frames, student, tmp_path):
    """It is no broken file, which would be skipped and counted."""
    data = frames(".exr")
    command = {
        "check": ("check", data),
        "distill": ("distill", "--data", data, *SMALL, "-o", tmp_path / "run"),
        "evaluate": ("evaluate", student, "--data", data, "--device", "cpu"),
    }[verb]
    line = refusal(without("OpenEXR", *command))
    assert line == "error: depth as .exr: needs OpenEXR, which is not installed; pip install 'disdepth[formats]'"


def test_data_in_hdf5(tmp_path):
    file = tmp_path / "nyu_depth_v2_labeled.mat"
    with h5py.File(file, "w") as held:
        held["images"] = np.zeros((2, 3, 8, 6), np.uint8)
        held["depths"] = np.ones((2, 8, 6), np.float32)
    scipy.io.savemat(tmp_path / "splits.mat", {"trainNdxs": [[1]], "testNdxs": [[2]]})
    line = refusal(without("h5py,scipy", "check", tmp_path))
    assert line.endswith("labeled.mat: needs h5py, which is not installed; pip install 'disdepth[formats]'")


def test_data_of_the_hub(tmp_path):
    (tmp_path / "data.yaml").write_text("format: hub\npath: someone/rooms\n")
    line = refusal(without("datasets", "check", tmp_path / "data.yaml"))
    assert line.endswith("format hub: needs datasets, which is not installed; pip install 'disdepth[hub-data]'")


def test_depth_that_is_saved_as_exr(tmp_path):
    script = "import sys; sys.modules['OpenEXR'] = None\nimport numpy as np\nfrom disdepth_cli import Depth\n"
    script += "from disdepth_cli.errors import MissingError\n"
    script += "try:\n    Depth(np.ones((4, 4), np.float32), 'metric_depth').save('a.exr')\n"
    script += "except MissingError as error:\n    print(error)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert result.stdout == "a.exr: needs OpenEXR, which is not installed; pip install 'disdepth[formats]'\n"
