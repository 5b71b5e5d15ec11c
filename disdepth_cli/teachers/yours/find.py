"""Where a teacher of one's own comes from: FILE.py:FUNCTION, an object in Python, an installed package.

Only code that the user names is run. A run folder names its teacher too; its file is run where this user has named the
very same file before, which is written down in the user's cache folder.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from disdepth_cli.config.teacher_name import GIVEN, GROUP, OBJECT, file_and_function
from disdepth_cli.errors import TeacherError, first_line, near_names


@dataclass(frozen=True)
class Found:
    """What was named. label: what it is called, without a path. code: the file that it is written in."""

    given: Any
    label: str
    code: Path | None


def find_own(name: str, named: bool = True) -> Found:
    """What a name means, its function called.

    named: the user named it now. False: a run did.

    Raises:
        TeacherError: it is not there, was not named by this user, or fails.
    """
    if name in GIVEN:
        given = GIVEN[name]
        path = file_and_function(name)
        return Found(
            made(given, name), f"{path[0].name}:{path[1]}" if path else name.removeprefix(OBJECT), _code(given)
        )
    if name.startswith(OBJECT):
        raise TeacherError(
            f"{name}: was an object of another Python process; give it again there, or write a function that makes it "
            "into a file and name that, FILE.py:FUNCTION"
        )
    path = file_and_function(name)
    if path is not None:
        return _from_file(*path, named)
    point = next(point for point in entry_points(group=GROUP) if point.name == name)
    with worded(f"{name} ({point.value})"):
        given = point.load()
    return Found(made(given, name), name, _code(given))


def made(given: Any, where: str) -> Any:
    """What a function or class makes; any other object as it is."""
    from torch import nn

    is_made = isinstance(given, nn.Module) or (not isinstance(given, type) and hasattr(given, "forward"))
    if is_made or not callable(given):
        return given
    with worded(where):
        return given()


def _from_file(file: Path, function: str, named: bool) -> Found:
    file = file.absolute()
    if not file.is_file():
        raise TeacherError(f"{file}: no such file")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if named:
        _write_down(digest)
    elif digest not in _written():
        raise TeacherError(
            f"{file}: a run names this file as its teacher, and you have not named it on this machine; read it, and if "
            f"you trust it: disdepth acclimate --teacher {file}:{function} --dry-run ({_record()} remembers it)"
        )
    module = _module(file, digest)
    where = f"{file.name}:{function}"
    if not hasattr(module, function):
        raise TeacherError(f"{file}: has no {function}{near_names(function, functions_of(file))}")
    with _beside(file):
        return Found(made(getattr(module, function), where), where, file)


def _module(file: Path, digest: str) -> Any:
    """The file as a module, run once a content."""
    name = f"disdepth_teacher_{digest[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with worded(str(file)), _beside(file):
            spec.loader.exec_module(module)
    except TeacherError:
        del sys.modules[name]
        raise
    return module


def functions_of(file: Path) -> list[str]:
    """Functions and classes of a Python file, which is read and not run."""
    try:
        body = ast.parse(file.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, ValueError):
        return []
    return [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"]


@contextmanager
def worded(where: str) -> Iterator[None]:
    """Word whatever a user's code raises as one line, with the line of that code.

    Raises:
        TeacherError: it did.
    """
    try:
        yield
    except TeacherError:
        raise
    except Exception as error:
        steps = traceback.extract_tb(error.__traceback__)
        others = (str(Path(__file__).parents[2]), sysconfig.get_path("stdlib"), "site-packages", "<frozen")
        own_frames = [step for step in steps if not any(other in step.filename for other in others)] or steps
        at = f", {Path(own_frames[-1].filename).name} line {own_frames[-1].lineno}" if own_frames else ""
        hint = "; install what it needs" if isinstance(error, ImportError) else ""
        raise TeacherError(f"{where}: {type(error).__name__}: {first_line(error)}{at}{hint}") from error


@contextmanager
def _beside(file: Path) -> Iterator[None]:
    """Modules beside a file can be imported, as if Python had been started with it."""
    sys.path.insert(0, str(file.parent))
    try:
        yield
    finally:
        sys.path.remove(str(file.parent))


def _code(given: Any) -> Path | None:
    """The file in which a function, or an object's class, is written."""
    import inspect

    try:
        file = inspect.getsourcefile(given if callable(given) and hasattr(given, "__qualname__") else type(given))
    except (TypeError, OSError):
        return None
    return Path(file) if file and Path(file).is_file() else None


def _record() -> Path:
    chosen = os.environ.get("DISDEPTH_CACHE")
    cache = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "disdepth"
    return cache / "teachers.txt"


def _written() -> list[str]:
    try:
        return _record().read_text(encoding="utf-8").split()
    except OSError:
        return []


def _write_down(digest: str) -> None:
    """Remember that this user named a file of this content, if the folder can be written."""
    if digest in _written():
        return
    try:
        _record().parent.mkdir(parents=True, exist_ok=True)
        with open(_record(), "a", encoding="utf-8") as handle:
            handle.write(digest + "\n")
    except OSError:
        pass
