"""The house keeps its order: imports point down, no junk drawers, small rooms, modules and functions."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "disdepth_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A room may import from rooms with a smaller number; rooms of one number do not know each other.
FLOOR = {
    "errors": 0, "results": 0, "working_size": 0, "seen_images": 0, "types": 1, "observer": 0,
    "hub": 2, "config": 2, "files": 1, "reading": 1, "packages": 1,
    "teachers": 3, "machine": 3, "evaluation": 3, "data": 3, "depth": 3,
    "demo": 3, "inputs": 4, "losses": 4, "predictor": 4, "inspection": 4, "checkpoint": 4, "runs": 5,
    "models": 5,
    "method": 7, "outputs": 7, "exporting": 7,
    "scoring": 8, "timing": 9, "training": 10, "comparison": 11, "engine": 12, "cli": 13, "api": 13, "__main__": 14,
    "__init__": 15,
}  # fmt: skip
DATA_FLOOR = {"files": 0, "shards": 1, "sets": 2, "batches": 3}
CLI_TOUCHES = {"cli", "results", "engine", "comparison", "machine", "config", "files", "errors", "__init__"}
JUNK_DRAWERS = {"utils", "util", "common", "helpers", "helper", "misc"}
TEXTS = sorted(
    file
    for pattern in ("*.md", "*.toml", "*.yml", "*.cff", "{}/**/*.py", "{}/**/*.md", "{}/**/*.sh", "{}/**/*.yml")
    for folder in ("disdepth_cli", "tests", "docs", "examples", "benchmarks", ".github")
    for file in PROJECT.glob(pattern.format(folder))
)
ABSOLUTE = re.compile(r"(?<![\w.:/~*}])(?:/[\w.-]+){2,}")
BESIDE = re.compile(r"PROJECT\.parent\b|\.parents\[\d\]\.parent\b|\.\./shared")
OF_THE_SYSTEM = ("/dev", "/etc", "/proc", "/sys", "/tmp", "/usr", "/var")
FILES_A_ROOM, IMPORTS_A_FILE = 15, 15
LINES_A_MODULE, LINES_A_FUNCTION = 300, 50


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def short(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


@cache
def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


@cache
def imported(module: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names |= {name if path_of(name).exists() else node.module for name in inside}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.split(".")[0] == "disdepth_cli"}


def path_of(module: str) -> Path:
    return PROJECT / f"{module.replace('.', '/')}.py"


def rooms_of(modules: set[str]) -> set[str]:
    return {name.split(".")[1] if "." in name else "__init__" for name in modules}


def test_imports_point_down():
    """Of the package itself a room may import the version only."""
    wrong = []
    for module in MODULES:
        own = room(module)
        others = rooms_of(imported(module)) - {own, "__init__"}
        wrong += [f"{short(module)} imports {other}" for other in others if FLOOR[other] >= FLOOR[own]]
        if own == "cli":
            wrong += [f"{short(module)} imports {other}" for other in rooms_of(imported(module)) - CLI_TOUCHES]
    assert not wrong


def test_data_flows_from_files_to_batches():
    wrong = []
    for module in (PACKAGE / "data").rglob("*.py"):
        own = module.relative_to(PACKAGE / "data").parts[0]
        for name in imported(module):
            parts = name.split(".")
            if parts[1] == "data" and parts[2] != own and DATA_FLOOR[parts[2]] >= DATA_FLOOR[own]:
                wrong.append(f"{short(module)} imports {name}")
    assert not wrong


def test_a_file_imports_few_of_ours():
    assert not [short(module) for module in MODULES if len(imported(module)) > IMPORTS_A_FILE]


def test_rooms_stay_small():
    for folder in {module.parent for module in [*MODULES, *Path(__file__).parent.rglob("*.py")]}:
        files = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
        assert len(files) <= FILES_A_ROOM, folder


def test_no_junk_drawers():
    names = {part.removesuffix(".py") for module in MODULES for part in module.relative_to(PACKAGE).parts}
    assert not names & JUNK_DRAWERS


def test_modules_and_functions_stay_small():
    """A long signature (a command's options) is not a long function."""
    assert not [short(module) for module in MODULES if module.read_text(encoding="utf-8").count("\n") > LINES_A_MODULE]
    assert not [
        f"{short(module)}: {node.name}"
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.body[0].lineno >= LINES_A_FUNCTION
    ]


def test_no_path_of_anybodys_machine():
    """No absolute path that exists here, but the system's own; and nothing beside the checkout."""
    wrong = []
    for file in TEXTS:
        text = file.read_text(encoding="utf-8")
        absolute = {path for path in ABSOLUTE.findall(text) if Path(path).exists()}
        wrong += [f"{file}: {path}" for path in absolute if not path.startswith(OF_THE_SYSTEM)]
        if file.is_relative_to(PROJECT / "tests"):
            wrong += [f"{file}: {match.group()}" for match in BESIDE.finditer(text)]
            climbs = [int(steps) for steps in re.findall(r"__file__\).*?\.parents\[(\d)\]", text)]
            deep = len(file.relative_to(PROJECT).parts)
            wrong += [f"{file}: climbs {steps} folders" for steps in climbs if steps >= deep]
    assert not wrong


def test_ci_names_tests_that_exist():
    named = re.findall(r"tests/[\w/]+(?:\.py)?", (PROJECT / ".ci" / "floors").read_text(encoding="utf-8"))
    assert len(named) > 10
    assert not [path for path in named if not (PROJECT / path).exists()]


def test_the_page_of_the_architecture_names_every_room():
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {room(module) for module in MODULES}
    assert not {name for name in rooms if f"{name}/" not in page and f"{name}.py" not in page}


def test_push_alone_makes_a_page_and_sends_it():
    """`distill --push-to-hub` calls it, and has no way of its own."""
    doing = {
        what: {short(file) for file in MODULES if re.search(what, file.read_text(encoding="utf-8"))}
        for what in (r"\.send\(", r"(?<!def )model_card\(", r"create_commit|upload_(file|folder)")
    }
    assert list(doing.values()) == [{"engine/push.py"}, {"engine/push.py"}, {"hub/push_target.py"}]


def test_nothing_waits_for_another_process_to_speak():
    """Which process tells an error is no matter of time."""
    assert not [file for file in MODULES if room(file) in ("machine", "cli") and "sleep(" in file.read_text()]
