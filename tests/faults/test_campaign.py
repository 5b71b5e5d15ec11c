"""The campaign as it is run by hand: a seed of it each time, more of it among the slow tests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits, mounts and processes of Linux")

BROKEN = """
import runpy, sys
sys.path.insert(0, {folder!r})
sys.argv = ["faults", "fuzz", "--count", "8", "--only", "broken"]
import readers

def unworded(lab, folder):
    (folder / "a.txt").write_text("7")
    yield readers.Reader("number", folder / "a.txt", lambda file: int(file.read_text()), text=True)

readers.GROUPS["broken"] = unworded
runpy.run_path({folder!r}, run_name="__main__")
"""


def campaign(*args: object) -> tuple[int, dict[str, tuple[int, int, int]], str]:
    """Exit code, (tried, clear, failed) of each part, and what was printed."""
    command = [sys.executable, str(FOLDER), *map(str, args)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \|", result.stdout, re.MULTILINE)
    found = {name: (int(tried), int(clear), int(failed)) for name, tried, clear, failed in rows}
    return result.returncode, found, result.stdout + result.stderr


def test_a_seed_of_damaged_files() -> None:
    """Images, depth, containers, and what describes a data set."""
    groups = ("images", "depths", "containers", "descriptions")
    code, found, said = campaign("fuzz", "--count", 3, "--only", *groups)
    assert code == 0 and found["fuzz"][0] > 60, said


def test_a_failure_is_counted(tmp_path: Path) -> None:
    """A reader without words for what is wrong: the campaign sees it, its table and its exit code say so."""
    broken = tmp_path / "broken.py"
    broken.write_text(BROKEN.format(folder=str(FOLDER)))
    result = subprocess.run([sys.executable, str(broken)], capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert "fuzz: number: ValueError" in result.stdout
    assert re.search(r"\| fuzz \| 8 \| \d \| [1-8] \|", result.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("part", "count"), [("kill", 6), ("disk", 7), ("fuzz", 40), ("poison", 1)])
def test_a_part_of_each(part: str, count: int) -> None:
    """`python tests/faults` runs all of it, for some 40 minutes."""
    code, found, said = campaign(part, "--count", count)
    assert code == 0 and found[part][2] == 0, said
