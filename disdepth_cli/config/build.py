"""Options into a configuration: those of a file, then those of the command line; errors and help worded for people.

Standard library and pydantic only: this module is imported before anything is printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from disdepth_cli.config import AugmentConfig, BaseConfig
from disdepth_cli.errors import ConfigError, near_names

Config = TypeVar("Config", bound=BaseConfig)


def build_config(kind: type[Config], options: dict[str, Any], file: Path | None = None) -> Config:
    """Validate options over those of a YAML file: file < options; options that are None are not given.

    `AugmentConfig`'s fields may be written as `augment: {flip: 0}` in the file.

    Raises:
        ConfigError: an unknown or impossible option, worded with its name.
    """
    values = _read_yaml(file) if file else {}
    values.pop("verb", None)  # a run's own config.yaml says which verb made it
    unknown = sorted({str(key) for key in values} - set(kind.model_fields))
    if unknown:
        raise ConfigError(f"{file}: unknown option {unknown[0]!r}{near_names(unknown[0], kind.model_fields)}")
    given = {name: value for name, value in options.items() if value is not None}
    if isinstance(given.get("augment"), dict) and isinstance(values.get("augment"), dict):
        given["augment"] = values["augment"] | given["augment"]  # --crop-size leaves the file's other views alone
    try:
        return kind.model_validate(values | given)
    except ValidationError as error:
        raise ConfigError(_worded(kind, error.errors()[0])) from None


def _worded(kind: type[BaseConfig], problem: Any) -> str:
    """One line for the first problem pydantic found."""
    name = ".".join(str(part) for part in problem["loc"][:2] if isinstance(part, str))
    option = f"--{name.replace('_', '-')}"
    if problem["type"] == "missing":
        return f"{option}: is missing; give {kind.model_fields[name].description}"
    if problem["type"] == "extra_forbidden":
        group, _, last = name.rpartition(".")
        return f"unknown option {name!r}{near_names(last, AugmentConfig.model_fields if group else kind.model_fields)}"
    return f"{option}: {problem['msg'].removeprefix('Value error, ')} (got {problem.get('input')!r})"


def option_help(kind: type[BaseConfig], name: str) -> str:
    """One help line of an option: its description and its default, read from the config class."""
    field = kind.model_fields[name]
    default = field.get_default(call_default_factory=True)
    if field.is_required() or default is None or isinstance(default, bool):
        return _literal(field.description or "")
    shown = "x".join(map(str, default)) if name in ("input_size", "source") else default
    return _literal(f"{field.description} [default: {shown}]")


def _literal(text: str) -> str:
    """`text` with brackets that rich would read as markup kept as they are."""
    return text.replace("[", "\\[")


def _read_yaml(file: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"--config {file}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = str(error).splitlines()[0]
        raise ConfigError(f"--config {file}: is not valid YAML ({line})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"--config {file}: must be a mapping of options, not {type(values).__name__}")
    return values
