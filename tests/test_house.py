"""The house keeps its order: imports point down, no junk drawers, small rooms, modules and functions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "disdepth_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A room may import from rooms with a smaller number; rooms of one number do not know each other.
FLOOR = {
    "errors": 0, "working_size": 0, "types": 1, "observer": 0,
    "hub": 2, "config": 2, "files": 1, "png": 1,
    "teachers": 3, "machine": 3, "evaluation": 3, "data": 3,
    "losses": 4, "runs": 4, "predictor": 4, "inspection": 4,
    "models": 5, "checkpoint": 6,
    "method": 7, "outputs": 7, "exporting": 7,
    "scoring": 8, "training": 9, "timing": 9, "comparison": 10, "engine": 11, "cli": 12, "__main__": 13, "__init__": 14,
}  # fmt: skip
DATA_FLOOR = {"files": 0, "shards": 1, "sets": 2, "batches": 3}
CLI_TOUCHES = {"cli", "engine", "comparison", "machine", "config", "errors", "__init__"}
JUNK_DRAWERS = {"utils", "util", "common", "helpers", "helper", "misc"}
FILES_A_ROOM, IMPORTS_A_FILE = 15, 15
CROWDED = {"training/data.py", "engine/evaluate.py", "engine/distill.py", "engine/acclimate.py"}  # still to be thinned


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(module: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names |= {name if path_of(name).exists() else node.module for name in inside}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.split(".")[0] == "disdepth_cli"}


def path_of(module: str) -> Path:
    return PACKAGE.parent / f"{module.replace('.', '/')}.py"


def rooms_of(modules: set[str]) -> set[str]:
    return {name.split(".")[1] if "." in name else "__init__" for name in modules}


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_imports_point_down(module):
    own = room(module)
    for other in rooms_of(imported(module)) - {own, "__init__"}:  # of the package itself, the version only
        assert FLOOR[other] < FLOOR[own], f"{own} imports {other}"
    if own == "cli":
        assert rooms_of(imported(module)) <= CLI_TOUCHES


@pytest.mark.parametrize("module", sorted((PACKAGE / "data").rglob("*.py")), ids=lambda m: str(m.relative_to(PACKAGE)))
def test_data_flows_from_files_to_batches(module):
    own = module.relative_to(PACKAGE / "data").parts[0]
    for name in imported(module):
        parts = name.split(".")
        if parts[1] == "data" and parts[2] != own:
            assert DATA_FLOOR[parts[2]] < DATA_FLOOR[own], f"{own} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_a_file_imports_few_of_ours(module):
    crowded = len(imported(module)) > IMPORTS_A_FILE
    assert crowded == (module.relative_to(PACKAGE).as_posix() in CROWDED)


def test_rooms_stay_small():
    for folder in {module.parent for module in MODULES}:
        files = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
        assert len(files) <= FILES_A_ROOM, folder


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
