"""The page on deployment: its commands and its Python program run, and its tables speak of what is there."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli import load_student
from disdepth_cli.exporting.check import LIMITS
from disdepth_cli.exporting.format_table import FORMATS
from disdepth_cli.exporting.formats.openvino_file import RUN as OPENVINO

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "deploy.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


@pytest.mark.slow
def test_its_commands_and_its_program_run(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra `export`")
    photo = cv2.imread(str(PROJECT / "disdepth_cli" / "assets" / "room.jpg"))
    cv2.imwrite(str(tmp_path / "image.png"), cv2.resize(photo, (640, 480), interpolation=cv2.INTER_AREA))
    (tmp_path / "disdepth_cli").symlink_to(PROJECT / "disdepth_cli")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = next(text for text in blocks("python") if "onnxruntime.SessionOptions" in text)
    commands = [["bash", "-euc", text] for text in blocks("bash")]
    assert len(commands) == 2
    for command in (*commands, [sys.executable, "-c", program]):
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert (tmp_path / "from-onnx" / "image_depth.png").is_file()
    depth, wanted = np.load(tmp_path / "depth.npy"), load_student("bundled").predict(tmp_path / "image.png").values
    assert (np.abs(depth - wanted) / wanted).mean() < 1e-5


def test_every_python_program_can_be_read() -> None:
    assert len([ast.parse(text) for text in blocks("python")]) >= 4


def test_the_formats_are_those_of_the_code() -> None:
    extras = metadata("disdepth").get_all("Provides-Extra") or []
    table = PAGE.split("| `--format` | install |")[1].split("\n\n")[0]
    rows = {row[0]: row for row in (re.findall(r"[^|]+", line) for line in table.splitlines()[2:])}
    named = {re.findall(r"`(\w+)`", name)[0]: row for name, row in rows.items()}
    assert list(named) and set(named) == set(FORMATS)
    for name, row in named.items():
        assert set(re.findall(r"\w+", row[2])) == set(FORMATS[name].precisions)
        assert set(re.findall(r"disdepth\[([\w-]+)\]", row[1])) <= set(extras)
        assert ("unchecked" in row[4]) == (FORMATS[name].session is None)


def test_its_limits_are_those_of_the_code() -> None:
    assert all(f"{name} {limit:.0e}".replace("e-0", "e-") in PAGE for name, limit in LIMITS.items())


def test_openvino_is_asked_for_f32() -> None:
    """The page and run.py give the same hint."""
    assert '{"INFERENCE_PRECISION_HINT": "f32"}' in PAGE and '{"INFERENCE_PRECISION_HINT": "f32"}' in OPENVINO
