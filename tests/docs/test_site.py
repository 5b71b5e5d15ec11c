"""The pages are a site whose links hold, and the generated ones are what the options say now."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def test_generated_pages_are_up_to_date() -> None:
    command = [sys.executable, str(PROJECT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_generated_pages_name_every_command_and_option() -> None:
    from disdepth_cli.config import AcclimateConfig, DistillConfig, EvaluateConfig

    cli, config = ((PROJECT / "docs" / name).read_text(encoding="utf-8") for name in ("cli.md", "config.md"))
    for kind in (AcclimateConfig, DistillConfig, EvaluateConfig):
        assert f"## disdepth {kind.verb()}\n" in cli and f"## {kind.verb()}\n" in config
        for name, known in kind.options().items():
            assert name in kind.unused or f"| `{name}" in config, name
            if known.option.flag and name not in {*kind.unused, "augment", "model"}:
                assert f"`{known.flag}`" in cli, name


def test_the_site_builds_and_its_links_hold(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="needs the extra `docs`")
    shutil.copytree(PROJECT / "docs", tmp_path / "docs")
    shutil.copy(PROJECT / "mkdocs.yml", tmp_path)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "quickstart" / "index.html").is_file()


@pytest.mark.parametrize("page", sorted(PROJECT.glob("*.md")), ids=lambda page: page.name)
def test_links_of_the_pages_beside_the_site_hold(page: Path) -> None:
    """mkdocs does not see README and its like."""
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
