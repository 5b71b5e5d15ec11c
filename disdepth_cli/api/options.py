"""Options of a verb in Python: a configuration, or its options by name."""

from __future__ import annotations

from typing import Any, TypeVar

from disdepth_cli.config import BaseConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.errors import ConfigError

Config = TypeVar("Config", bound=BaseConfig)


def config_of(kind: type[Config], config: Config | None, options: dict[str, Any]) -> Config:
    """A verb's configuration in Python: `config`, or one of its keywords; those that are None are not given.

    Raises:
        ConfigError: both were given, or `config` is none of that kind, or an option is unknown or impossible.
    """
    for name, value in options.items():
        if isinstance(value, BaseConfig):
            raise ConfigError(f"{name}: is a {type(value).__name__}; give it as config=...")
    if config is None:
        return build_config(kind, options)
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(f"config: holds all options; leave it out, or {given[0]}")
    if not isinstance(config, kind):
        raise ConfigError(f"config: is of type {type(config).__name__}; give a {kind.__name__}, or options by name")
    return config
