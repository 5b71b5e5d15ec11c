"""Files of others, read: whatever a decoder raises becomes one line with the file, what is wrong, and the reason.

Only regular files are read, since a pipe or a device may never end, and none that is larger than what it should hold.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from disdepth_cli.errors import ConfigError, DataError, DisdepthError

MOST_TEXT = 2**30  # bytes of a list, a table or a description: ten million rows
MOST_VALUES = 100_000  # of a YAML file, its aliases written out
LIMIT = "DISDEPTH_MAX_MEGAPIXELS"
MEGAPIXELS = 256.0
BYTES_A_PIXEL = 8  # of a file
_ADDRESS = re.compile(r"<[^<>]* at 0x[0-9a-f]+>")  # of an object in memory, which some libraries name


@contextmanager
def reading(where: object, what: str, error: type[DisdepthError] = DataError, advice: str = "") -> Iterator[None]:
    """Whatever goes wrong in the block becomes `WHERE: WHAT (REASON); ADVICE`; errors of ours pass as they are.

    Raises:
        DisdepthError: of the type `error`.
    """
    try:
        yield
    except DisdepthError:
        raise
    except Exception as problem:  # decoders and parsers raise anything on files they do not expect
        end = f"; {advice}" if advice else ""
        raise error(f"{where}: {what} ({reason(problem)}){end}") from None


def reason(problem: Exception) -> str:
    """What an exception says, in one line of at most 200 characters."""
    if isinstance(problem, RecursionError):
        return "it is nested too deeply"
    if isinstance(problem, MemoryError):
        return "it does not fit into memory"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    said = " ".join(_ADDRESS.sub("", str(problem)).split())
    if "pickle" in said:  # NumPy's advice on it is to load it
        return "it is no file of plain numbers"
    return said[:200] or type(problem).__name__


def read_bytes(file: Path, error: type[DisdepthError] = DataError, of_pixels: bool = False) -> bytes:
    """All bytes of a regular file. of_pixels: an image or a depth map, whose size has a limit of its own.

    Raises:
        DisdepthError: of the type `error`: it is missing, no regular file, too large, or cannot be read.
    """
    with reading(file, "cannot be read", error):
        status = os.stat(file)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise error(f"{file}: is {kind}, not a file")
        most = BYTES_A_PIXEL * most_pixels() if of_pixels else MOST_TEXT
        if status.st_size > most:
            more = f"; {LIMIT} sets another limit" if of_pixels else ""
            raise error(f"{file}: has {status.st_size / 1e6:.0f} MB, at most {most / 1e6:.0f} MB are read{more}")
        with open(file, "rb") as handle:
            return handle.read()


def read_json(file: Path, error: type[DisdepthError] = DataError) -> Any:
    """The values of a JSON file.

    Raises:
        DisdepthError: of the type `error`: it cannot be read, or is not JSON.
    """
    data = read_bytes(file, error)
    with reading(file, "is not valid JSON", error):
        return json.loads(data)


def read_yaml(file: Path, error: type[DisdepthError] = DataError) -> Any:
    """The values of a YAML file, by safe loading; a key that comes twice, or aliases that never end, are refused.

    Raises:
        DisdepthError: of the type `error`: it cannot be read, or is not YAML.
    """
    data = read_bytes(file, error)
    with reading(file, "is not valid YAML", error):
        return yaml_values(data)


def yaml_values(data: bytes | str) -> Any:
    """The values of YAML text, as `read_yaml`.

    Raises:
        ValueError: a key comes twice, or there are too many values.
        yaml.YAMLError: it is not YAML.
    """
    import yaml  # not needed for most commands

    loader = yaml.SafeLoader(data)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_nodes(node, {}, ())
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_nodes(node: Any, known: dict[int, int], above: tuple[int, ...]) -> int:
    """How many values a node stands for, its aliases written out."""
    if id(node) in above:
        raise ValueError(f"line {node.start_mark.line + 1}: an alias that holds itself")
    if id(node) in known:
        return known[id(node)]
    inside = (*above, id(node))
    count = 1
    if node.id == "mapping":
        _check_keys([key for key, _ in node.value if key.id == "scalar" and key.value != "<<"])
        count += sum(_check_nodes(one, known, inside) for pair in node.value for one in pair)
    elif node.id == "sequence":
        count += sum(_check_nodes(one, known, inside) for one in node.value)
    if count > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES} values, its aliases written out")
    known[id(node)] = count
    return count


def _check_keys(keys: list[Any]) -> None:
    seen: dict[tuple[str, str], int] = {}
    for key in keys:
        line = key.start_mark.line + 1
        if (key.tag, key.value) in seen:
            raise ValueError(f"{key.value!r} is there twice, on lines {seen[key.tag, key.value]} and {line}")
        seen[key.tag, key.value] = line


def most_pixels() -> float:
    """How many pixels an image or a depth map may have: 256 million, or what DISDEPTH_MAX_MEGAPIXELS says.

    Raises:
        ConfigError: that is no number.
    """
    try:
        return float(os.environ.get(LIMIT, MEGAPIXELS)) * 1e6
    except ValueError:
        raise ConfigError(f"{LIMIT}={os.environ[LIMIT]}: is not a number of megapixels, for example 256") from None


def check_pixels(*sides: int) -> None:
    """Refuse a size before what has it is decoded: a small file may hold a very large picture.

    Raises:
        ValueError: it has more pixels than `most_pixels`.
    """
    pixels, most = math.prod(sides), most_pixels()
    if pixels > most:
        raise ValueError(
            f"it is {'x'.join(map(str, sides))}, {pixels / 1e6:.0f} megapixels, and at most {most / 1e6:.0f} are read; "
            f"{LIMIT} sets another limit"
        )
