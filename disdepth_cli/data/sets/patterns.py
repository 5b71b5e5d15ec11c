"""Paths with named parts, such as `{scene}/rgb/{frame}.jpg`: the files that fit, and the counterparts of each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_FIELD = re.compile(r"\{(\w+)(:path)?\}")
_NUMBER = re.compile(r"(\d+)")


class Folders:
    """What folders hold, one scan each: data sets have tens of thousands of files in few folders."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, bool]] = {}

    def held(self, folder: Path) -> Mapping[str, bool]:
        """name -> whether it is a folder, sorted with numbers in their order; nothing where there is no folder."""
        key = str(folder)
        if key not in self._held:
            try:
                with os.scandir(folder) as entries:
                    found = {entry.name: entry.is_dir() for entry in entries}
            except OSError:
                found = {}
            self._held[key] = {name: found[name] for name in sorted(found, key=_in_order)}
        return self._held[key]

    def is_file(self, path: Path) -> bool:
        """Whether a file lies there."""
        return self.held(path.parent).get(path.name) is False


def _in_order(name: str) -> list[int | str]:
    """9.png before 10.png: digits and the rest alternate, so that like is compared with like."""
    return [int(part) if part.isdecimal() else part for part in _NUMBER.split(name)]


@dataclass(frozen=True)
class Match:
    """A path that fits a template, and the parts that its fields stand for."""

    path: Path
    fields: Mapping[str, str] = field(default_factory=dict)


def fitting(template: str, root: Path, folders: Folders, fields: Mapping[str, str] | None = None) -> Iterator[Match]:
    """The files and folders below `root` that fit a template, in order of their names.

    `{name}` is any part of one name, `{name:path}` any number of folders (also none), `*` anything. A field that is
    already known, or comes twice, must be the same. Names with a leading dot never fit.
    """
    yield from _fitting(template.split("/"), root, folders, dict(fields or {}))


def _fitting(parts: Sequence[str], folder: Path, folders: Folders, fields: dict[str, str]) -> Iterator[Match]:
    head, rest = parts[0], parts[1:]
    if (name := _path_field(head)) is not None:
        if name in fields:
            below = folder / fields[name] if fields[name] else folder
            yield from _fitting(rest, below, folders, fields)
        else:
            yield from _any_depth(name, rest, folder, folders, fields, ())
        return
    for entry in _entries(head, folder, folders, fields):
        path, known = folder / entry.path, {**fields, **entry.fields}
        if rest:
            yield from _fitting(rest, path, folders, known)
        else:
            yield Match(path, known)


def _any_depth(
    name: str, rest: Sequence[str], folder: Path, folders: Folders, fields: dict[str, str], above: tuple[str, ...]
) -> Iterator[Match]:
    """Whatever fits `rest` in the nearest folders where anything does: below one that fits is not looked."""
    found = False
    for fit in _fitting(rest, folder, folders, {**fields, name: "/".join(above)}):
        found = True
        yield fit
    if found:
        return
    for entry, is_folder in folders.held(folder).items():
        below = folder / entry
        if is_folder and not entry.startswith(".") and not below.is_symlink():  # a link may lead back up
            yield from _any_depth(name, rest, below, folders, fields, (*above, entry))


def _entries(part: str, folder: Path, folders: Folders, fields: Mapping[str, str]) -> Iterator[Match]:
    """The names in a folder that fit one part of a template, and the fields they give."""
    filled = _FIELD.sub(lambda found: fields.get(found[1], found[0]), part)
    held = folders.held(folder)
    if "*" not in filled and not _FIELD.search(filled):
        if filled in held:
            yield Match(Path(filled))
        return
    pattern = _regex(filled)
    for name in held:
        if not name.startswith(".") and (match := pattern.fullmatch(name)):
            yield Match(Path(name), match.groupdict())


def _regex(part: str) -> re.Pattern[str]:
    pattern, position = "", 0
    for found in re.finditer(r"\{(\w+)\}|\*", part):
        pattern += re.escape(part[position : found.start()])
        pattern += ".*" if found[0] == "*" else f"(?P<{found[1]}>.+)"
        position = found.end()
    return re.compile(pattern + re.escape(part[position:]))


def _path_field(part: str) -> str | None:
    found = _FIELD.fullmatch(part)
    return found[1] if found and found[2] else None
