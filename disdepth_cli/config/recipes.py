"""Recipes: named options of the method, for acclimate and distill."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from disdepth_cli.config.base import BaseConfig
from disdepth_cli.errors import ConfigError, near_names
from disdepth_cli.reading import read_yaml

RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {"lg_conv": "auto", "attention": "learned", "attention_steps": 100},
}
"""default: the options that gained most in our benchmarks. paper: LG-Conv and learned attention too, as in the paper.
A command takes the options that it has."""


def recipe_options(name: str | Path, kind: type[BaseConfig]) -> dict[str, Any]:
    """The options of a named recipe, or of a YAML file.

    Raises:
        ConfigError: the recipe or file does not exist, or is no mapping.
    """
    if str(name) in RECIPES:
        return {key: value for key, value in RECIPES[str(name)].items() if key in kind.options()}
    file = Path(name)
    if file.suffix.lower() not in (".yaml", ".yml"):
        raise ConfigError(
            f"--recipe {name}: no such recipe{near_names(str(name), RECIPES)}; give {', '.join(RECIPES)} or a YAML file"
        )
    return dict(read_options(file, "--recipe"))


def read_options(file: Path, flag: str) -> Mapping[str, Any]:
    """The mapping in a YAML file.

    flag: the flag that named the file, for errors.

    Raises:
        ConfigError: the file cannot be read, or is no mapping.
    """
    try:
        values = read_yaml(file.expanduser(), ConfigError) or {}
    except ConfigError as error:
        raise ConfigError(f"{flag} {error}") from None
    except RuntimeError:
        raise ConfigError(f"{flag} {file}: the user after ~ does not exist") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{flag} {file}: must be a mapping of options, not {type(values).__name__}")
    return values
