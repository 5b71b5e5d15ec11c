"""What `from disdepth_cli import ...` gives: a dozen names, loaded when they are used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import types
from pathlib import Path

import pytest

import disdepth_cli

NAMES = {
    *("Depth", "DepthStudent", "DisdepthError", "acclimate", "check", "distill", "evaluate", "load_student"),
    *("benchmark", "export", "load_teacher", "pack", "predict", "push"),
}


def test_these_are_the_names():
    assert set(disdepth_cli.__all__) == NAMES | {"__version__"}
    assert set(dir(disdepth_cli)) >= NAMES
    for name in NAMES:
        assert callable(getattr(disdepth_cli, name)) and getattr(disdepth_cli, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'distil'"):
        _ = disdepth_cli.distil


def test_type_checkers_see_the_names_that_are_loaded():
    tree = ast.parse(Path(disdepth_cli.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == disdepth_cli._MODULES and set(seen) == NAMES


def test_importing_the_package_loads_nothing_heavy():
    look = "import sys, disdepth_cli; dir(disdepth_cli); disdepth_cli.DisdepthError; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "pydantic", "timm", "cv2", "PIL"} & set(loaded)


def test_a_verb_stays_a_verb_when_a_module_of_its_name_is_imported(tmp_path, monkeypatch):
    for name in ("acclimate", "evaluate"):
        (tmp_path / f"{name}.py").write_text("inside = 1\n")
        monkeypatch.setattr(disdepth_cli, "__path__", [*disdepth_cli.__path__, str(tmp_path)])
        monkeypatch.delitem(vars(disdepth_cli), name, raising=False)
        module = importlib.import_module(f"disdepth_cli.{name}")
        monkeypatch.delitem(sys.modules, f"disdepth_cli.{name}")
        assert isinstance(module, types.ModuleType) and module.inside == 1
        assert isinstance(getattr(disdepth_cli, name), types.FunctionType)
        importlib.import_module(f"disdepth_cli.engine.{name}")
        assert isinstance(getattr(disdepth_cli, name), types.FunctionType)


def test_one_class_of_student():
    assert disdepth_cli.DepthStudent is type(disdepth_cli.load_student("bundled"))
    assert isinstance(disdepth_cli.DepthStudent.from_pretrained("bundled"), disdepth_cli.DepthStudent)
