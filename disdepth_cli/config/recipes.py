"""Recipes: switches of the method under one name, for acclimate and distill alike."""

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
"""default: what gained most in our benchmarks. paper: DisDepth as its paper has it, with LG-Conv and learned attention
beside the ghost decoder and the attentive loss. A command takes the switches that it has."""


def recipe_options(name: str | Path, kind: type[BaseConfig]) -> dict[str, Any]:
    """The options of a named recipe, or of a YAML file.

    Raises:
        ConfigError: no such recipe or file; or the file holds an option that neither command has.
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

    Raises:
        ConfigError: it cannot be read, or is no mapping. flag: what named it, for the error.
    """
    try:
        values = read_yaml(file.expanduser(), ConfigError) or {}
    except ConfigError as error:
        raise ConfigError(f"{flag} {error}") from None
    except RuntimeError:
        raise ConfigError(f"{flag} {file}: there is no such user") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{flag} {file}: must be a mapping of options, not {type(values).__name__}")
    return values
