"""README and the pages of docs/ speak of what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from disdepth_cli.config import (
    STUDENTS,
    AcclimateConfig,
    AugmentConfig,
    CheckConfig,
    DistillConfig,
    EvaluateConfig,
    PackConfig,
    PredictConfig,
    PushConfig,
)
from disdepth_cli.data.sets.catalogue import FORMATS, HUB
from disdepth_cli.evaluation.protocols import PROTOCOLS

PROJECT = Path(__file__).parent.parent
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")])
TO_COME = {"data.md", "teachers.md", "deploy.md", "machines.md"}
OWN = {"help", "help-all", "json", "config", "quiet", "recipe", "set", "version"}
OF_OTHERS = {"nproc-per-node", "multi", "cpu", "no-teacher", "strict", "license", "check", "report", "of"}
"""Options of launchers, mkdocs and scripts, and flags that are not named as their option is."""


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_options_of_the_pages_exist(page: Path) -> None:
    fields = set(AugmentConfig.model_fields)
    for kind in (AcclimateConfig, CheckConfig, DistillConfig, EvaluateConfig, PackConfig, PredictConfig, PushConfig):
        fields |= {*kind.options(), *kind.renamed()}
    fields |= {"view_seed"}
    # A line that calls a script of examples/, benchmarks/ or docs/ names that script's options.
    lines = [
        line
        for line in page.read_text(encoding="utf-8").splitlines()
        if not re.search(r"render_rooms\.py|gain\.py|generate\.py|gain_plot\.py", line)
    ]
    for name in set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", "\n".join(lines))):
        field = name.removeprefix("no-").replace("-", "_")
        assert field in fields or name in OWN | OF_OTHERS, f"{page.name} names --{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_in_the_pages_exist(page: Path) -> None:
    for path in set(re.findall(r"\b(?:examples|benchmarks|docs|tests)/[\w./-]+\w", page.read_text(encoding="utf-8"))):
        assert (PROJECT / path).exists() or Path(path).name in TO_COME, path


@pytest.mark.parametrize(
    ("page", "names"),
    [("students", STUDENTS), ("evaluation", PROTOCOLS), ("data", [*FORMATS, HUB])],
    ids=["students", "evaluation", "data"],
)
def test_names_are_on_their_page(page: str, names: list[str]) -> None:
    file = PROJECT / "docs" / f"{page}.md"
    if not file.exists() and file.name in TO_COME:
        pytest.skip(f"docs/{page}.md is still to come")
    text = file.read_text(encoding="utf-8")
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
