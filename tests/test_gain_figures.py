"""README's table of gains says what the rows of the bench say."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STUDENTS = {
    "mobilenetv2": "MobileNetV2, random",
    "resnet18": "ResNet-18, random",
    "efficientnet-lite0": "EfficientNet-Lite0",
}
README_ROWS = [
    ("gain_rooms_defaults_other", "mobilenetv2", "10", "full"),
    ("gain_rooms_defaults_other", "resnet18", "10", "full"),
    ("gain_rooms_defaults_other", "efficientnet-lite0", "10", "full"),
    ("gain_rooms_defaults_other", "efficientnet-lite0", "5", "full, ghost's decoder"),
    ("gain_few_defaults", "efficientnet-lite0", "108", "full + unlabelled"),
    ("gain_few_defaults_elsewhere", "efficientnet-lite0", "108", "full + unlabelled"),
    ("gain_defaults", "mobilenetv2", "5", "full"),
    ("gain_defaults", "resnet18", "5", "full"),
    ("gain_defaults", "efficientnet-lite0", "5", "full"),
    ("gain_defaults_elsewhere", "efficientnet-lite0", "5", "full"),
    ("gain_defaults_elsewhere", "mobilenetv2", "5", "full"),
    ("gain_defaults_elsewhere", "resnet18", "5", "full"),
]


@cache
def report(table: str) -> str:
    """What the bench prints of a table."""
    command = [sys.executable, "benchmarks/gain.py", "none.yaml", "none", "--report", "--table"]
    return subprocess.run(
        [*command, f"benchmarks/results/{table}.csv"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def reported(table: str, student: str, epochs: str, arm: str) -> tuple[str, str, str, str]:
    """RMSE of the control and of an arm, its gain and the interval, as the bench prints them."""
    _, mine = report(table).split(f"\n{student}, {epochs} epochs;")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in mine.split("\n\n")[1].splitlines()]
    by_arm = {row[0]: row for row in rows}
    rmse = [f"{float(by_arm[name][3].split(' ')[0]):.3f}" for name in ("control", arm)]
    low, high = by_arm[arm][7].removesuffix(" %").split(" to ")
    return rmse[0], rmse[1], by_arm[arm][6], f"[{low}, {high}]"


@pytest.mark.parametrize(("table", "student", "epochs", "arm"), README_ROWS)
def test_readmes_gain_is_the_benchs(table: str, student: str, epochs: str, arm: str) -> None:
    control, distilled, gain, interval = reported(table, student, epochs, arm)

    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("**", "")
    rows = [line for line in readme.splitlines() if line.startswith("|") and STUDENTS[student] in line]

    assert any(f"| {control} | {distilled} | {gain} {interval} |" in line for line in rows)
