"""The README speaks of what is there."""

from __future__ import annotations

import re
from pathlib import Path

from disdepth_cli.config import (
    STUDENTS,
    AcclimateConfig,
    AugmentConfig,
    BaseConfig,
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
README = (PROJECT / "README.md").read_text()


def test_options_in_the_readme_exist():
    fields = set()
    for config in (
        AcclimateConfig,
        AugmentConfig,
        CheckConfig,
        DistillConfig,
        EvaluateConfig,
        PackConfig,
        PredictConfig,
        PushConfig,
    ):
        fields |= set(config.options()) if issubclass(config, BaseConfig) else set(config.model_fields)
    own = {"help", "json", "config", "quiet"} | {
        "nproc-per-node",
        "multi",
        "cpu",
        "no-teacher",
    }  # launchers'; --score-teacher off
    for name in set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", README)):
        field = name.removeprefix("no-").replace("-", "_")
        assert field in fields or name in own, f"README names --{name}"


def test_files_in_the_readme_exist():
    for path in set(re.findall(r"\b(?:examples|benchmarks)/[\w./-]+\w", README)):
        assert (PROJECT / path).exists(), path


def test_names_in_the_readme_exist():
    assert all(f"`{student}`" in README for student in STUDENTS)
    assert all(f"`{protocol}`" in README for protocol in PROTOCOLS)
    assert all(f"`{name}`" in README for name in [*FORMATS, HUB])


def test_nothing_is_left_to_fill_in():
    for file in [*PROJECT.glob("*.md"), *PROJECT.glob("benchmarks/results/*.md")]:
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
