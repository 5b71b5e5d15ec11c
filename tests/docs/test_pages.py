"""README and the pages of docs/ speak of what is there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from disdepth_cli.cli.app import app
from disdepth_cli.config import STUDENTS
from disdepth_cli.data.sets.catalogue import FORMATS, HUB
from disdepth_cli.evaluation.protocols import PROTOCOLS

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("examples/*.md")])
OF_OTHERS = {
    "--cflags",
    "--check",
    "--fp",
    "--help",
    "--version",
    "--cpu",
    "--index-url",
    "--libs",
    "--multi_gpu",
    "--no-deps",
    "--nproc-per-node",
    "--onnx",
    "--save",
    "--shm-size",
    "--strict",
}
"""Options of Typer, ruff, pip, docker, mkdocs, pkg-config, trtexec (`--fp16`, `--saveEngine`) and the launchers."""
SCRIPT = re.compile(r"\btests/faults\b|\b(?:benchmarks|docs)/\w+\.py\b|\bgain(?:_\w+)?\.py\b|disdepth_cli\.demo\.rooms")
"""A line that calls a script names that script's options."""


@cache
def flags() -> frozenset[str]:
    """Every flag of every command, the former names too."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    parameters = [parameter for command in group.commands.values() for parameter in command.params]
    return frozenset(flag for one in parameters for flag in (*one.opts, *one.secondary_opts))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_of_the_pages_exist(page: Path) -> None:
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if not SCRIPT.search(line)]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z_-]+", "\n".join(lines)))
    assert named <= flags() | OF_OTHERS, f"{page.name} names {', '.join(sorted(named - flags() - OF_OTHERS))}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_in_the_pages_exist(page: Path) -> None:
    for path in set(re.findall(r"\b(?:examples|benchmarks|docs|tests)/[\w./-]+\w", page.read_text(encoding="utf-8"))):
        assert (PROJECT / path).exists(), path


@pytest.mark.parametrize(
    ("page", "names"),
    [("students", STUDENTS), ("evaluation", PROTOCOLS), ("data", [*FORMATS, HUB])],
    ids=["students", "evaluation", "data"],
)
def test_names_are_on_their_page(page: str, names: list[str]) -> None:
    text = (PROJECT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert not [name for name in names if f"`{name}`" not in text]


def test_nothing_is_left_to_fill_in():
    for file in [*PAGES, *PROJECT.glob("docs/research/*.md")]:
        assert not re.search(r"^(RESULTS-HERE|TABLE|GAIN|TIMES|TRIED)$", file.read_text(), re.M), file


def test_the_bundled_student_is_there_and_says_what_it_is():
    from disdepth_cli.checkpoint.locate import BUNDLED
    from disdepth_cli.checkpoint.metadata import read_metadata

    assert BUNDLED.stat().st_size < 10_000_000
    metadata = read_metadata(BUNDLED)
    assert metadata.metrics["rmse"] <= 0.761 and metadata.metrics["abs_rel"] <= 0.217  # m; the plain prototype's
    assert metadata.metrics["delta1"] >= 0.609
    assert "student_card.md" in metadata.recipe["card"] and (BUNDLED.parent / "student_card.md").is_file()
    assert "research data" in metadata.recipe["card"] and metadata.recipe["epochs"] > 0


def test_the_projects_version_is_in_one_place():
    import disdepth_cli

    assert f'version = "{disdepth_cli.__version__}"' in (PROJECT / "pyproject.toml").read_text()
