"""Every shell and Python block of README, the quickstart and the Python page runs, in order, offline, in a folder of
its own. `<!-- slow -->` stands before a block that trains.

What a reader would have is put in place: `image.png`, a data set with its `data.yaml`, the teacher of the Hub (the tiny
one stands in, as a folder of that name) and timm's weights of the student (random numbers, in the Hub's cache).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from disdepth_cli.checkpoint.locate import TINY_TEACHER

PROJECT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/quickstart.md", "docs/python.md")
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -e . && "
"""What a reader does first; the tests run in an installation."""
TEACHER = "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf"
STUDENT = "mobilenetv2_100"
DEMO, SHORT_DEMO = ".venv/bin/disdepth demo", "disdepth demo --acclimate-steps 4 --steps 4"
"""The demo in full is tests/demo's own."""


@dataclass(frozen=True)
class Block:
    """A block of a page. slow: it trains."""

    line: int
    language: str
    text: str
    slow: bool


def blocks(page: str) -> Iterator[Block]:
    """The shell and Python blocks of a page."""
    slow = False
    for token in MarkdownIt("commonmark").parse((PROJECT / page).read_text(encoding="utf-8")):
        if token.type == "fence" and token.info in ("bash", "python"):
            yield Block(
                (token.map or [0])[0] + 1,
                token.info,
                token.content.replace(INSTALL, "").replace(DEMO, SHORT_DEMO),
                slow,
            )
        slow = token.type == "html_block" and token.content.strip() == "<!-- slow -->"


def runs_the_tests(block: Block) -> bool:
    """Whether this is the command that .ci/run takes from README: it installs, and runs this very suite."""
    return re.search(r"pip install -e '\.\[dev\]'.*pytest", block.text) is not None


def of_shell(page: str) -> list[Block]:
    """The page's shell blocks, without the one that CI runs."""
    return [block for block in blocks(page) if block.language == "bash" and not runs_the_tests(block)]


@pytest.fixture
def place(tmp_path: Path, rooms: Path) -> Path:
    """A folder with all that the blocks name."""
    shutil.copytree(rooms.parent, tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "rgb" / "0001.png", tmp_path / "image.png")
    (tmp_path / "disdepth_cli").symlink_to(PROJECT / "disdepth_cli")
    (tmp_path / TEACHER).parent.mkdir()
    (tmp_path / TEACHER).symlink_to(TINY_TEACHER)
    return tmp_path


@pytest.fixture
def hub_cache(tmp_path: Path) -> Path:
    """A cache of the Hub that has the student's weights, as numbers drawn at random."""
    import timm
    from safetensors.torch import save_file

    settings = timm.get_pretrained_cfg(STUDENT)
    assert settings is not None and settings.hf_hub_id
    repo = tmp_path / "cache" / f"models--{settings.hf_hub_id.replace('/', '--')}"
    snapshot = repo / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(snapshot.name)
    save_file(timm.create_model(STUDENT).state_dict(), snapshot / "model.safetensors")
    return repo.parent


def run(block: Block, place: Path, page: str, **env: str) -> None:
    """Run a block; a failure names its page and line."""
    command = ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else [sys.executable, "-c"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "HF_HUB_OFFLINE": "1"} | env
    done = subprocess.run([*command, block.text], cwd=place, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{page}:{block.line}:\n{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.parametrize("page", ("README.md", "docs/quickstart.md"))
def test_shell_blocks_run(page: str, place: Path) -> None:
    for block in of_shell(page):
        if not block.slow:
            run(block, place, page)
    assert (place / "predictions" / "image_depth.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("page", ("README.md", "docs/quickstart.md"))
def test_shell_blocks_run_with_those_that_train(page: str, place: Path, hub_cache: Path) -> None:
    for block in of_shell(page):
        run(block, place, page, HF_HUB_CACHE=str(hub_cache))
    assert list(place.glob("runs/*/report.json"))


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_run(page: str, place: Path) -> None:
    for block in blocks(page):
        if block.language == "python" and not block.slow:
            run(block, place, page)
    assert (place / "image_depth.png").is_file()


@pytest.mark.slow
def test_python_blocks_run_with_those_that_train(place: Path, hub_cache: Path) -> None:
    for block in blocks("docs/python.md"):
        run(block, place, "docs/python.md", HF_HUB_CACHE=str(hub_cache))
    assert (place / "runs" / "student" / "hub" / "README.md").is_file()


def test_one_block_is_left_to_ci() -> None:
    """README's second command: .ci/run takes it from there by this pattern."""
    assert [block.language for page in PAGES for block in blocks(page) if runs_the_tests(block)] == ["bash"]
    assert "pip install -e '.\\[dev\\]'.*pytest" in (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
