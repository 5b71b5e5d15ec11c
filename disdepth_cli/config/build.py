"""Builds a configuration from recipe, file and command line, in this order, with errors for people.

Imports the standard library and pydantic only, since every command imports this module before it prints.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from disdepth_cli.config.base import BaseConfig, Part
from disdepth_cli.config.recipes import read_options, recipe_options
from disdepth_cli.errors import ConfigError, near_names
from disdepth_cli.reading import reading, yaml_values

Config = TypeVar("Config", bound=BaseConfig)


def build_config(
    kind: type[Config], options: Mapping[str, Any], file: Path | None = None, sets: Sequence[str] = ()
) -> Config:
    """Validate options: recipe < file < options < sets. An option of None counts as not given.

    `recipe` may stand among the options and in the file. It is a name of `RECIPES` or a YAML file. sets: `name=value`
    with a value in YAML. A field of `augment` is written as `augment: {flip: 0}`, or as `augment.flip=0` in sets.

    Raises:
        ConfigError: an option is unknown or impossible; the message has its name.
    """
    values = dict(read_options(file, "--config")) if file else {}
    values.pop("verb", None)  # config.yaml of a run names its command
    unknown = sorted({str(key) for key in values} - _known(kind))
    if unknown:
        raise ConfigError(f"{file}: unknown option {unknown[0]!r}{near_names(unknown[0], kind.options())}")
    given = {name: value for name, value in options.items() if value is not None}
    recipe = given.pop("recipe", values.pop("recipe", None))
    chosen = recipe_options(recipe, kind) if recipe is not None and takes_recipes(kind) else {}
    merged: dict[str, Any] = {}
    for layer in (chosen, values, given, _settings(kind, sets)):
        for name, value in layer.items():
            name = kind.renamed().get(name, name)
            both = isinstance(value, dict) and isinstance(merged.get(name), dict)
            merged[name] = merged[name] | value if both else value  # the other fields of a group stay
    try:
        return kind.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_worded(kind, error.errors()[0])) from None


def takes_recipes(kind: type[BaseConfig]) -> bool:
    """Whether the command has options of the method."""
    return bool(kind.named(level="recipe"))


def _known(kind: type[BaseConfig]) -> set[str]:
    return {*kind.options(), *kind.renamed(), *(("recipe",) if takes_recipes(kind) else ())}


def _settings(kind: type[BaseConfig], sets: Sequence[str]) -> dict[str, Any]:
    """`name=value` texts as options.

    Raises:
        ConfigError: a text has no `=`, its value is no YAML, or the option is unknown.
    """
    options: dict[str, Any] = {}
    for text in sets:
        name, equals, value = text.partition("=")
        group, dot, field = name.strip().replace("-", "_").partition(".")
        if not equals:
            raise ConfigError(f"--set {text}: write NAME=VALUE, such as --set output_weight=0.3")
        if group not in _known(kind):
            raise ConfigError(f"--set {text}: unknown option {group!r}{near_names(group, kind.options())}")
        with reading(f"--set {text}", f"{value!r} is not a YAML value", ConfigError):
            read = yaml_values(value)
        if dot:
            options[group] = {**options.get(group, {}), field: read}
        else:
            options[group] = read
    return options


def _worded(kind: type[BaseConfig], problem: Any) -> str:
    """One line for the first problem that pydantic found."""
    loc = tuple(part for part in problem["loc"] if isinstance(part, str))
    options = kind.options()
    named = next((name for name, known in options.items() if loc[: len(known.path)] == known.path), None)
    if named is None:
        return f"unknown option {loc[-1]!r}{near_names(loc[-1], options)}"
    known = options[named]
    inner = loc[len(known.path) : len(known.path) + 1]
    name = ".".join((named, *inner))
    if problem["type"] == "missing" and isinstance(problem["loc"][-1], str):
        return f"{known.flag}: is missing; give {known.field.description}"
    if problem["type"] == "extra_forbidden" and inner:
        group = known.field.annotation
        fields = group.model_fields if isinstance(group, type) and issubclass(group, Part) else {}
        return f"unknown option {name!r}{near_names(inner[0], fields)}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "tuple_type":
        message = "write two numbers as a list, such as [0.9, 1.1]"
    return f"--{name.replace('_', '-')}: {message} (got {reprlib.repr(problem.get('input'))})"
