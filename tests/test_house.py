"""The house keeps its order: imports point down, no junk drawers, small modules and functions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "disdepth_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A room may import from rooms with a smaller number; rooms of one number do not know each other.
FLOOR = {
    "errors": 0, "option_types": 0, "config": 1, "configure": 2, "atomic": 1, "working_size": 1, "types": 2,
    "across_ranks": 2,
    "teachers": 3, "models": 3, "losses": 3, "data": 3, "evaluation": 3,
    "student_place": 4, "checkpoint": 5, "outputs": 5, "engine": 6, "cli": 7, "__main__": 8, "__init__": 9,
}  # fmt: skip
CLI_TOUCHES = {"cli", "engine", "config", "configure", "errors", "__init__"}
JUNK_DRAWERS = {"utils", "util", "common", "helpers", "helper", "misc"}


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(module: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(module.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "disdepth_cli":
                rooms.add(parts[1] if len(parts) > 1 else "__init__")
    return rooms


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_imports_point_down(module):
    own = room(module)
    for other in imported_rooms(module) - {own}:
        if other == "__init__":  # the version only
            continue
        assert FLOOR[other] < FLOOR[own] or {own, other} <= {"checkpoint", "outputs"}, f"{own} imports {other}"
    if own == "cli":
        assert imported_rooms(module) <= CLI_TOUCHES


def test_no_junk_drawers():
    names = {part.removesuffix(".py") for module in MODULES for part in module.relative_to(PACKAGE).parts}
    assert not names & JUNK_DRAWERS


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_modules_and_functions_stay_small(module):
    text = module.read_text()
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0].lineno  # a long signature (a command's options) is not a long function
            assert node.end_lineno - first < 50, f"{node.name} has {node.end_lineno - first + 1} lines"


def test_the_projects_words_are_its_own():
    root = PACKAGE.parent
    for file in [
        *root.glob("*.md"),
        *PACKAGE.rglob("*.py"),
        *root.glob("examples/*"),
        *root.glob("benchmarks/**/*.md"),
    ]:
        if file.is_file():
            text = file.read_text(errors="ignore")
            assert "/work/" not in text and "shared/data" not in text, file
