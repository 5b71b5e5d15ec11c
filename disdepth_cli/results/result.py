"""What a verb gives back: a frozen dataclass, and the same as plain values for `--json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

IF_ANY = {"if_any": True}
"""Metadata of a field that is left out of `as_dict` where it is None."""

SPREAD = {"spread": True}
"""Metadata of a dictionary whose items stand beside the other fields in `as_dict`."""


@dataclass(frozen=True)
class Result(Mapping[str, Any]):
    """Base of what the verbs return; every result has its own fields.

    It may also be read as the dictionary that `as_dict` gives: `result["rmse"]`.
    """

    def as_dict(self) -> dict[str, Any]:
        """The result as plain values: the object that the command prints with `--json`."""
        plain: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.metadata.get("spread"):
                plain |= value
            elif value is not None or not field.metadata.get("if_any"):
                plain[field.name] = value
        return plain

    def __getitem__(self, key: str) -> Any:
        return self.as_dict()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.as_dict())

    def __len__(self) -> int:
        return len(self.as_dict())
