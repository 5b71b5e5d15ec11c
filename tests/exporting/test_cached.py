"""A file in the cache is found again by the version and recipe that wrote it, and by no other."""

from __future__ import annotations

import pytest

import disdepth_cli
from disdepth_cli.exporting import cached
from disdepth_cli.exporting.cached import cached_onnx


def test_a_file_of_another_recipe_or_version_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path))
    now = cached_onnx("teacher")
    assert now.parent == tmp_path / "exports" and now == cached_onnx("teacher") != cached_onnx("student")
    with monkeypatch.context() as patch:
        patch.setattr(cached, "RECIPE", cached.RECIPE + 1)
        assert cached_onnx("teacher") != now
    monkeypatch.setattr(disdepth_cli, "__version__", "9.9")
    assert cached_onnx("teacher") != now
