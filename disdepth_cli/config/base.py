"""The base of all configurations: options in parts, read and written under flat names.

A configuration may nest its options in parts, so that each room of the code gets the part that it needs. Files, flags
and Python have no parts: every option has one flat name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from pydantic.fields import FieldInfo

from disdepth_cli.config.option import Option, about
from disdepth_cli.config.types import expanded


class Part(BaseModel):
    """Options that belong together. An unknown option is an error."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="after")
    @classmethod
    def _home(cls, value: Any) -> Any:
        """Replaces `~` in every path by the home folder."""
        if isinstance(value, list):
            return [expanded(one) if isinstance(one, Path) else one for one in value]
        return expanded(value) if isinstance(value, Path) else value


@dataclass(frozen=True)
class FlatOption:
    """An option by its flat name. path: the fields that lead to the option, such as ("loop", "lr")."""

    name: str
    path: tuple[str, ...]
    field: FieldInfo
    option: Option

    @property
    def flag(self) -> str:
        """The long flag."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def default(self) -> Any:
        """The default; `PydanticUndefined` for a required option."""
        return self.field.get_default(call_default_factory=True)


Config = TypeVar("Config", bound="BaseConfig")


class BaseConfig(Part):
    """The options of a command. Fields of type `Part` are its parts; `options` lists the options in them."""

    takes_processes: ClassVar[bool] = False
    """Whether a launcher may start the command as several processes."""
    unused: ClassVar[frozenset[str]] = frozenset()
    """Options that are accepted and change nothing, so that two commands accept the same options."""

    @classmethod
    def verb(cls) -> str:
        """The name of the command."""
        words = re.findall("[A-Z][a-z]*", cls.__name__.removesuffix("Config"))
        return "-".join(words).lower()

    @classmethod
    @cache
    def options(cls) -> Mapping[str, FlatOption]:
        """Flat name to option, in order."""
        found: dict[str, FlatOption] = {}
        for name, field in cls.model_fields.items():
            if _is_part(field):
                for inner, own in field.annotation.model_fields.items():  # type: ignore[union-attr]
                    flat = about(own).called or inner
                    found[flat] = FlatOption(flat, (name, inner), own, about(own))
            else:
                flat = about(field).called or name
                found[flat] = FlatOption(flat, (name,), field, about(field))
        return found

    @classmethod
    @cache
    def renamed(cls) -> Mapping[str, str]:
        """Former name of an option to its present name."""
        return {old: name for name, known in cls.options().items() for old in known.option.renamed}

    @model_validator(mode="before")
    @classmethod
    def _into_parts(cls, values: Any) -> Any:
        """Puts flat names into parts. A part may also be given as an object."""
        if not isinstance(values, Mapping):
            return values
        nested: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, Part) and name in cls.model_fields:
                nested.setdefault(name, {}).update(dict(value))
                continue
            known = cls.options().get(cls.renamed().get(name, name))
            _put(nested, known.path if known else (name,), value)
        for name, field in cls.model_fields.items():
            if _is_part(field):
                nested.setdefault(name, {})  # so that a missing option is reported as one of the part
        return nested

    def get(self, name: str) -> Any:
        """The value of an option by its flat name."""
        value: Any = self
        for step in type(self).options()[name].path:
            value = getattr(value, step)
        return value

    def replaced(self: Config, **options: Any) -> Config:
        """A copy with other values of some options, by flat names. The values are not validated."""
        changes: dict[str, Any] = {}
        for name, value in options.items():
            _put(changes, type(self).options()[name].path, value)
        for name, value in changes.items():
            if isinstance(getattr(self, name), Part) and isinstance(value, dict):
                changes[name] = getattr(self, name).model_copy(update=value)
        return self.model_copy(update=changes)

    def flat(self, *away: str) -> dict[str, Any]:
        """Flat name to value, as plain values for JSON and YAML, without the options `away`."""
        nested = self.model_dump(mode="json")
        plain: dict[str, Any] = {}
        for name, known in type(self).options().items():
            if name not in away:
                value: Any = nested
                for step in known.path:
                    value = value[step]
                plain[name] = value
        return plain

    @classmethod
    def named(cls, **is_so: Any) -> frozenset[str]:
        """Flat names of the options whose `Option` has these values, such as `concerns="hub"`."""
        return frozenset(
            name
            for name, known in cls.options().items()
            if all(getattr(known.option, key) == value for key, value in is_so.items())
        )


def _is_part(field: FieldInfo) -> bool:
    """Whether a field is a part. A part with a flat name of its own (`augment`) is an option."""
    kind = field.annotation
    return isinstance(kind, type) and issubclass(kind, Part) and field.json_schema_extra is None


def _put(nested: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for step in path[:-1]:
        nested = nested.setdefault(step, {})
    nested[path[-1]] = value
