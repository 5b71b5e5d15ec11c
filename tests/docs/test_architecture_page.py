"""The page of the architecture and CONTRIBUTING speak of the rooms that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "disdepth_cli"
PAGE = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted({module.relative_to(PACKAGE).parts[0] for module in PACKAGE.rglob("*.py")} - {"__init__.py"})


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_named(room: str) -> None:
    name = room if room.endswith(".py") else f"{room}/"
    assert name in PAGE
    assert f"`{name}`" in (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8") or room == "__main__.py"


def test_rooms_that_contributing_names_exist() -> None:
    table = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("| you change |")[1].split("\n\n")[0]
    for name in re.findall(r"`([\w./]+)`", table):
        assert name == "disdepth_cli/" or (PACKAGE / name).exists(), name


def test_files_of_the_questions_exist() -> None:
    rows = re.findall(r"^\| where .* \| `(.+)` \|$", PAGE, re.M)
    assert len(rows) >= 6 and all((PACKAGE / file).exists() for file in rows)


def test_imports_follow_the_order_of_the_page() -> None:
    """The rooms from left to right; those in one pair of braces share a place."""
    block = PAGE.split("## The rules")[1].split("```text\n")[1].split("inside data")[0]
    groups = [re.findall(r"\w+", group) for group in block.split("->")]
    place = {name: number for number, group in enumerate(groups) for name in group}
    assert {name.removesuffix(".py") for name in ROOMS} - {"__main__"} == set(place)
    for module in PACKAGE.rglob("*.py"):
        own = module.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("disdepth_cli."):
                other = node.module.split(".")[1]
                if own in place and other != own:
                    assert place[own] < place[other], f"{own} imports {other}"
