"""Write docs/cli.md and docs/config.md from the options themselves.

    python docs/generate.py            # writes the pages
    python docs/generate.py --check    # exits 1 where a page is not what would be written

The options are said once, in disdepth_cli/config/. The flags are those of the commands, in disdepth_cli/cli/.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.models import ArgumentInfo, OptionInfo

from disdepth_cli.cli.app import app
from disdepth_cli.cli.examples import EXAMPLES
from disdepth_cli.config import BaseConfig, Part
from disdepth_cli.config.base import FlatOption
from disdepth_cli.config.build import takes_recipes
from disdepth_cli.config.option import about
from disdepth_cli.config.recipes import RECIPES

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py from the options of the commands. Do not edit. -->\n"
VALUES = {"str": "TEXT", "int": "N", "float": "X", "path": "PATH", "Path": "PATH"}
"""How a value is written in the usage."""
TYPES = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path"}
LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}

CLI = """# Command line

Options come after the command. `--help`, or `-h`, shows the basic options of a command, `--help-all` shows all of them.
`--set NAME=VALUE` sets any option, also one without a flag. The page [Configuration](config.md) lists the options by
their names in files and in Python.

Results go to stdout, everything else to stderr. With `--json`, stdout holds one JSON object and nothing else.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed; the last line on stderr says what, where and what to do |
| 2 | wrong usage |
| 130 | stopped by Ctrl-C or SIGTERM; the state is saved |

`DISDEPTH_DEBUG=1` shows the traceback of a failure. `HF_HUB_OFFLINE=1` is `--offline` for every command.
"""
CONFIG = """# Configuration

Every option has one name. `--config FILE.yaml` holds options by these names, Python takes them as keywords, and
`config.yaml` of a run folder lists them. The flag is the name with hyphens: `batch_size` is `--batch-size`.

The first of these that names an option wins: `--set`, the command line, `--config`, `--recipe`, the default.

| level | where an option is shown |
|---|---|
| basic | `--help` |
| advanced | `--help-all` |
| recipe | a switch of the method: `--help-all`, `--recipe FILE` and `--set`; "no flag": the last two only |

| concerns | what an option changes |
|---|---|
| student | the student, whatever trains it |
| teacher | what the teacher adds to the training; the control does without |
| comparison | what a run is compared with |
| hub | the student's page on the Hub |
| machine | only how and where the work is done; may differ when a run is resumed |
"""


@dataclass(frozen=True)
class Flag:
    """A parameter of a command. kind: the type that its value is read as."""

    name: str
    kind: Any
    info: Any

    @property
    def argument(self) -> bool:
        """Whether it is positional."""
        return isinstance(self.info, ArgumentInfo)

    @property
    def help(self) -> str:
        """What it means; its default stands at the end."""
        return _plain((self.info.help or "").replace("\\[", "["))

    def __str__(self) -> str:
        """As it is typed, with its value where it takes one."""
        if self.argument:
            return f"`{self.info.metavar}`"
        # In `Annotated`, Typer takes the first name for the default.
        declared = [name for name in (self.info.default, *self.info.param_decls) if isinstance(name, str)]
        names = [name for either in declared for name in either.split("/")]
        spelled = ", ".join(f"`{name}`" for name in names)
        if self.kind is bool:
            return spelled
        value = (self.info.metavar or getattr(self.kind, "__name__", "str")).strip("<>[]")
        return f"{spelled} `{VALUES.get(value, value)}`"


def flags_of(command: Callable[..., Any]) -> Iterator[Flag]:
    """The parameters of a command, as its signature states them."""
    for name, parameter in inspect.signature(command).parameters.items():
        annotation, *more = get_args(parameter.annotation)
        info = next(one for one in more if isinstance(one, ArgumentInfo | OptionInfo))
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType] or [annotation]
        kind = get_args(kinds[0])[0] if get_origin(kinds[0]) is list else kinds[0]
        yield Flag(name, kind, info)


def pages() -> dict[str, str]:
    """Name to text of the pages that are written here."""
    commands = {str(known.callback.__name__): known.callback for known in app.registered_commands if known.callback}
    kinds = {kind.verb(): kind for kind in _descendants(BaseConfig)}
    cli, config = [NOTE + CLI, _overview(commands)], [NOTE + CONFIG, _recipes()]
    for name, command in commands.items():
        cli.append(_command(name, command, kinds.get(name)))
        if name in kinds:
            config.append(_options(name, kinds[name]))
    return {"cli.md": "\n".join(cli), "config.md": "\n".join(config)}


def _descendants(kind: type[BaseConfig]) -> Iterator[type[BaseConfig]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def _table(*rows: tuple[str, ...]) -> str:
    """A Markdown table; the first row is its head."""
    lines = [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in (lines[0], " | ".join(["---"] * len(rows[0])), *lines[1:])) + "\n"


def _plain(text: str) -> str:
    """Text of an option in which Markdown sees no HTML."""
    return text.replace("<", "&lt;")


def _overview(commands: dict[str, Callable[..., Any]]) -> str:
    rows = [(f"[`disdepth {name}`](#disdepth-{name})", command.__doc__ or "") for name, command in commands.items()]
    return _table(("command", "what it does"), *rows)


def _command(name: str, command: Callable[..., Any], kind: type[BaseConfig] | None) -> str:
    """The section of a command: its arguments, its basic options, all others."""
    unlisted = {*kind.renamed(), *kind.unused} if kind else set()
    known = [flag for flag in flags_of(command) if flag.name not in unlisted]
    arguments = [flag for flag in known if flag.argument]
    flags = [flag for flag in known if not flag.argument]
    usage = " ".join(["disdepth", name, *(str(argument).strip("`") for argument in arguments), "[OPTIONS]"])
    lines = "\n".join((usage, "", *EXAMPLES[name]))
    parts = [f"## disdepth {name}\n", f"{command.__doc__}\n", f"```text\n{lines}\n```\n"]
    if arguments:
        parts.append(_table(("argument", "meaning"), *((str(argument), argument.help) for argument in arguments)))
    parts.append(_flag_table([flag for flag in flags if not flag.info.hidden]))
    if hidden := [flag for flag in flags if flag.info.hidden]:
        parts += [f"Further options, which `disdepth {name} --help-all` shows:\n", _flag_table(hidden)]
    if kind and kind.renamed():
        former = ", ".join(f"`{old}` is `{new}`" for old, new in kind.renamed().items())
        parts.append(f"Former names, which still work: {former}.\n")
    return "\n".join(parts)


def _flag_table(flags: list[Flag]) -> str:
    """Flags by group, each group under its name."""
    rows: list[tuple[str, ...]] = [("option", "meaning")]
    for group in dict.fromkeys(flag.info.rich_help_panel for flag in flags):
        rows.append((f"**{group}**", ""))
        rows += [(str(flag), flag.help) for flag in flags if flag.info.rich_help_panel == group]
    return _table(*rows)


def _recipes() -> str:
    rows = [(f"`{name}`", _shown(options) or "the defaults") for name, options in RECIPES.items()]
    return "`--recipe` takes a name of this table or a YAML file:\n\n" + _table(("recipe", "options"), *rows)


def _options(verb: str, kind: type[BaseConfig]) -> str:
    """The section of a command's options."""
    rows = [row for name, known in kind.options().items() if name not in kind.unused for row in _rows(name, known)]
    head = ("name", "value", "default", "level", "concerns", "meaning")
    also = " `recipe` may stand among them." if takes_recipes(kind) else ""
    return f"## {verb}\n\n`{kind.__name__}` in `disdepth_cli.config`.{also}\n\n" + _table(head, *rows)


def _rows(name: str, known: FlatOption) -> Iterator[tuple[str, ...]]:
    """An option, or the fields of a group of options."""
    group = known.field.annotation
    fields = {name: known.field}
    if isinstance(group, type) and issubclass(group, Part):
        fields = {f"{name}.{inner}": field for inner, field in group.model_fields.items()}
    for called, field in fields.items():
        option = about(field)
        level = option.level if option.flag else f"{option.level}, no flag"
        yield f"`{called}`", _value(field), _default(field), level, option.concerns, _plain(field.description or "")


def _value(field: FieldInfo) -> str:
    """What an option takes, with its limits."""
    limits = [(word, getattr(limit, name, None)) for limit in field.metadata for name, word in LIMITS.items()]
    return ", ".join([_type(field.annotation), *(f"{word} {limit:g}" for word, limit in limits if limit is not None)])


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type(kind) for kind in inner if kind is not NoneType))
    if hasattr(annotation, "__metadata__"):
        return _type(annotation.__origin__)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is list:
        return f"list of {_type(inner[0])}"
    if origin is tuple:
        kinds = [_type(kind) for kind in inner]
        return "HEIGHTxWIDTH" if set(kinds) == {"integer"} else ", ".join(kinds)
    return TYPES.get(annotation, str(annotation))


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    return "**required**" if default is PydanticUndefined else f"`{_shown(default)}`" if _shown(default) else ""


def _shown(value: Any) -> str:
    """A value as YAML would have it, in short; nothing for none."""
    if value is None or value == [] or value == {}:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"`{name}: {_shown(inner)}`" for name, inner in value.items())
    if isinstance(value, tuple):
        return "x".join(map(str, value)) if all(isinstance(one, int) for one in value) else str(list(value))
    return str(value)


def main() -> None:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description="Write docs/cli.md and docs/config.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is out of date")
    check = parser.parse_args().check
    for name, text in pages().items():
        page = HERE / name
        if not check:
            page.write_text(text, encoding="utf-8")
        elif not page.is_file() or page.read_text(encoding="utf-8") != text:
            sys.exit(f"{page}: is out of date; run python docs/generate.py")


if __name__ == "__main__":
    main()
