"""The command that makes a result again: its options, those that are not the defaults."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from disdepth_cli.config.base import BaseConfig, FlatOption
from disdepth_cli.config.build import takes_recipes

ELSEWHERE = ("output", "resume", "dry_run", "push_to_hub")
"""Options that do not belong to what is made. The pictures of an evaluation do, so it keeps its folder."""


def command_of(kind: type[BaseConfig], values: Mapping[str, Any], arguments: tuple[str, ...] = ()) -> str:
    """The command line, quoted for a shell. values: options by their flat names, as plain values, as `flat` gives them.

    arguments: the options that stand without a flag.
    """
    words = ["disdepth", kind.verb(), *(str(values[name]) for name in arguments)]
    for name, known in kind.options().items():
        if name in ELSEWHERE[kind.verb() == "evaluate" :] or name in arguments or known.option.concerns == "hub":
            continue
        value, usual = values.get(name), _plain(known.default)
        if value is not None and value != usual:
            words += _words(known, value, usual, takes_recipes(kind))
    return shlex.join(words)


def _words(known: FlatOption, value: Any, usual: Any, settable: bool) -> Iterator[str]:
    """An option on the command line."""
    if isinstance(value, bool):
        yield known.flag if value else known.option.off or known.flag.replace("--", "--no-", 1)
    elif isinstance(value, dict):
        for field, one in value.items():
            if one != (usual or {}).get(field):
                yield from ("--set", f"{known.name}.{field}={json.dumps(one)}")
    elif isinstance(value, list) and known.name.endswith("size"):
        yield from (known.flag, "x".join(map(str, value)))
    elif settable and ((isinstance(value, list) and known.name != "teacher") or not known.option.flag):
        yield from ("--set", f"{known.name}={json.dumps(value)}")
    else:
        for one in value if isinstance(value, list) else [value]:
            yield from (known.flag, str(one))


def _plain(default: Any) -> Any:
    """A default as JSON would hold it; None for a required option."""
    if isinstance(default, BaseModel):
        return default.model_dump(mode="json")
    if isinstance(default, tuple | list):
        return [_plain(one) for one in default]
    return default if isinstance(default, str | int | float) else None
