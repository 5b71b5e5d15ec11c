"""Where the command line is started from: notebooks, terminals of other encodings, Ctrl-C at any moment, few files."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from disdepth_cli.cli.progress import printable

INTERRUPTED_AT = """
import os, signal, sys
wanted = sys.argv.pop(1)
class Hook:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Hook())
from disdepth_cli.__main__ import main
main()
"""


def started(*args: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "disdepth_cli", *map(str, args)]
    return subprocess.run(command, capture_output=True, env={**os.environ, **environment}, check=False)


def test_a_notebooks_backend_is_not_asked_for(rooms, tmp_path) -> None:
    """`!disdepth ...` in a notebook inherits the notebook's own backend, which is not installed everywhere."""
    result = started("check", rooms, "-o", tmp_path, MPLBACKEND="module://matplotlib_inline_of_another.backend_inline")
    assert result.returncode == 0, result.stderr
    assert list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii"])
def test_what_an_encoding_lacks_is_replaced(rooms, student, photo, tmp_path, encoding: str) -> None:
    folder = Path(shutil.copytree(rooms.parent, tmp_path / "комната"))
    result = started("check", folder, "--no-picture", PYTHONIOENCODING=encoding)
    assert result.returncode == 0, result.stderr
    assert b"####" in result.stdout and b"no errors" in result.stdout
    image = shutil.copy(photo, tmp_path / "снимок.png")
    result = started("predict", image, "-c", student, "-o", tmp_path / "out", PYTHONIOENCODING=encoding)
    assert result.returncode == 0, result.stderr
    assert b"_depth.png" in result.stdout and (tmp_path / "out/снимок_depth.png").is_file()
    result = started("check", tmp_path / "нет", PYTHONIOENCODING=encoding)
    assert result.returncode == 1 and result.stderr.count(b"\n") == 1 and b"does not exist" in result.stderr


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are text there")
def test_names_that_are_no_text(cli, rooms, student, tmp_path) -> None:
    folder = tmp_path / "data"
    for kind in ("rgb", "depth"):
        (folder / kind).mkdir(parents=True)
        for file in (rooms.parent / kind).iterdir():
            shutil.copy(file, os.fsencode(folder / kind / file.stem) + b"\xff\xfe.png")
    assert cli("check", folder, "--no-picture").code == 0
    rows = tmp_path / "rows.csv"
    command = ("evaluate", student, "--data", folder, "--device", "cpu", "--workers", "0", "--no-baselines")
    outcome = cli(*command, "--per-image", rows)
    assert outcome.code == 0, outcome.err
    names = [row["image"] for row in csv.DictReader(rows.read_text(encoding="utf-8").splitlines())]
    assert len(names) == 2 and all(name.endswith("\\udcff\\udcfe.png") for name in names)


@pytest.mark.parametrize(
    "module", ["disdepth_cli.cli.app", "typer", "pydantic", "disdepth_cli.engine.predict", "torch"]
)
def test_ctrl_c_while_programs_are_loaded_is_one_line(module: str, rooms: Path) -> None:
    image = rooms.parent / "rgb" / "0001.png"
    command = [sys.executable, "-c", INTERRUPTED_AT, module, "predict", str(image), "--backend", "torch"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (130, "interrupted: stopped at once\n")


@pytest.mark.skipif(os.name == "nt", reason="there is no such limit")
@pytest.mark.parametrize("files", [24, 64])
def test_too_few_open_files_are_one_line(files: int) -> None:
    command = f"ulimit -n {files}; exec {sys.executable} -m disdepth_cli predict x.png"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert f"error: only {files} files may be open at a time (ulimit -n)" in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="there is no such limit")
def test_a_low_limit_is_raised_where_it_may_be() -> None:
    command = f"ulimit -S -n 24; exec {sys.executable} -m disdepth_cli predict x.png"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "x.png: no such image" in result.stderr


def test_a_process_that_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    script = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    script += "from disdepth_cli.machine.signals import leave_at_once\nleave_at_once()\n"
    script += "print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "True\n"


def test_text_of_others_does_not_steer_the_terminal(cli, tmp_path) -> None:
    assert printable("a\x1b[31mb\x07 \u202egnp.exe é 漢\tc\n") == "a\\x1b[31mb\\x07 \\u202egnp.exe é 漢\tc\n"
    outcome = cli("check", tmp_path / "a\x1b]0;title\x07b")
    assert outcome.code == 1 and "\x1b" not in outcome.err and "a\\x1b]0;title\\x07b: does not exist" in outcome.err
