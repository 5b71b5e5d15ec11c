"""A subcommand made from its configuration class: flags, help, panels and values are read from the options there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from disdepth_cli.cli.console import run_verb
from disdepth_cli.cli.progress import stderr
from disdepth_cli.config import BaseConfig, Part
from disdepth_cli.config.base import FlatOption
from disdepth_cli.config.build import takes_recipes
from disdepth_cli.config.option import GENERAL, METHOD, Option, about
from disdepth_cli.config.recipes import RECIPES

Result = dict[str, Any]
SHORT = 26  # letters of `[a|b|c]` that fit beside a flag; longer lists stand in the help text


def command(
    kind: type[BaseConfig],
    engine: Callable[[], Callable[..., Any]],
    show: Callable[[Result], None],
    *,
    arguments: tuple[str, ...] = (),
    prepare: Callable[[Result], None] | None = None,
    failed: Callable[[Result], bool] | None = None,
    doc: str,
) -> Callable[..., Result]:
    """A function for Typer: flags of every option of `kind` -> config -> one call of the engine -> `show`.

    engine: gives the engine's function, imported only when the command runs. arguments: options that are positional.
    prepare: changes the options that were given, before they are checked. failed: whether a result ends with exit
    code 1. doc: what the command does, in one sentence.
    """
    parameters = [_argument(kind.options()[name]) for name in arguments]
    for known in kind.options().values():
        if known.name not in arguments:
            parameters += _flags(kind, known)
    parameters += _general(kind)

    def call(**given: Any) -> Result:
        own = {name: given.pop(name) for name in ("config", "quiet", "as_json", "help_all")}
        own["sets"] = given.pop("sets", None) or []
        options = {
            name: value
            for name, value in _options(kind, given, own["quiet"] or own["as_json"]).items()
            if value not in (None, [])
        }
        if prepare is not None:
            prepare(options)
        result = run_verb(engine, kind, options, show, own)
        if failed is not None and failed(result):
            raise typer.Exit(1)
        return result

    call.__name__, call.__doc__ = kind.verb(), doc
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def _parameter(name: str, kind: Any, default: Any, info: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=Annotated[kind, info]
    )


def _argument(known: FlatOption) -> inspect.Parameter:
    """A positional option; whether it is missing is told by the configuration, unless Typer must know."""
    many = get_origin(_bare(known.field.annotation)) is list
    required = known.field.is_required()
    info = typer.Argument(help=_help(known.field, known.option), metavar=known.name.upper())
    kind: Any = list[str] if many else str
    return _parameter(
        known.name, kind if required else kind | None, inspect.Parameter.empty if required else None, info
    )


def _flags(kind: type[BaseConfig], known: FlatOption) -> Iterator[inspect.Parameter]:
    """The parameters of an option: its flag, those of a group's fields, and a hidden one for its former names."""
    group = known.field.annotation
    if isinstance(group, type) and issubclass(group, Part):
        for inner, field in group.model_fields.items():
            option = about(field)
            if option.flag:
                yield _flag(f"{known.name}.{inner}", option.called or inner, field, option, hidden=False)
        return
    if not known.option.flag:
        return
    yield _flag(known.name, known.name, known.field, known.option, hidden=known.name in kind.unused)
    if known.option.renamed:
        first, *more = known.option.renamed
        short = tuple(f"-{old}" if len(old) == 1 else f"--{old}" for old in more)
        yield _flag(first, first, known.field, Option(flags=short), hidden=True)


def _flag(key: str, called: str, field: FieldInfo, option: Option, hidden: bool) -> inspect.Parameter:
    long = f"--{called.replace('_', '-')}"
    kind = _bare(field.annotation)
    if kind is bool:
        long = f"{long}/{option.off}" if option.off else long
        typed: Any = bool
    elif get_origin(kind) is list or _is_list(field):
        typed = list[str]
    else:
        typed = kind if kind in (int, float) and not _is_parsed(field) else str
    # Whether it is missing is for the configuration to say, since a file may give it: Typer takes it as optional.
    mark = " \\[required]" if field.is_required() else ""
    info = typer.Option(
        *(long, *option.flags),
        help=_help(field, option) + mark,
        show_default=False,
        hidden=hidden or option.level != "basic",
        metavar=_metavar(field),
        rich_help_panel=option.group,
    )
    return _parameter(key.replace(".", "__"), typed | None, None, info)


def _general(kind: type[BaseConfig]) -> Iterator[inspect.Parameter]:
    """The flags that are no options of the configuration."""
    if takes_recipes(kind):
        names = ", ".join(RECIPES)
        recipe = typer.Option(
            "--recipe",
            help=f"switches of the method: {names}, or a YAML file; `paper` has LG-Conv and learned attention, as the "
            "paper does",
            metavar=f"[{'|'.join(RECIPES)}|FILE]",
            rich_help_panel=METHOD,
        )
        yield _parameter("recipe", str | None, None, recipe)
        sets = typer.Option(
            "--set",
            help="any option, also those without a flag of their own; may be repeated",
            metavar="NAME=VALUE",
            rich_help_panel=METHOD,
            hidden=True,
        )
        yield _parameter("sets", list[str] | None, None, sets)
    file = typer.Option(
        "--config", help="YAML file of options; the command line wins", metavar="<path>", rich_help_panel=GENERAL
    )
    yield _parameter("config", Path | None, None, file)
    quiet = typer.Option(
        "--quiet", "-q", help="no progress, only results and errors", rich_help_panel=GENERAL, hidden=True
    )
    yield _parameter("quiet", bool, False, quiet)
    as_json = typer.Option("--json", help="one JSON object on stdout, nothing else", rich_help_panel=GENERAL)
    yield _parameter("as_json", bool, False, as_json)
    everything = typer.Option(
        "--help-all", is_eager=True, callback=_help_all(kind), help="show every option", rich_help_panel=GENERAL
    )
    yield _parameter("help_all", bool, False, everything)


def _help_all(kind: type[BaseConfig]) -> Callable[[typer.Context, bool], None]:
    """Prints the help with every option, but former names and those that the command does not use; and stops."""
    unlisted = {*kind.renamed(), *kind.unused}

    def show(context: typer.Context, wanted: bool) -> None:
        if not wanted:
            return
        for parameter in context.command.params:
            if parameter.name not in unlisted:
                parameter.hidden = False  # type: ignore[attr-defined]
        typer.echo(context.command.get_help(context))
        raise typer.Exit

    return show


def _options(kind: type[BaseConfig], given: Mapping[str, Any], silent: bool) -> Result:
    """Parameters as options: `augment__flip` is a field of `augment`; a former name says the new one."""
    options: Result = {}
    for key, value in given.items():
        group, inside, field = key.partition("__")
        if value is None:
            continue
        if inside:
            options.setdefault(group, {})[field] = value
            continue
        if key in kind.renamed():
            now = kind.options()[kind.renamed()[key]]
            if not silent:
                stderr.print(f"note: --{key.replace('_', '-')} is called {now.flag} now", markup=False)
        options[kind.renamed().get(key, key)] = value
    return options


def _bare(annotation: Any) -> Any:
    """A type without `Annotated` and `| None`."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return _bare(kinds[0]) if len(kinds) == 1 else annotation
    if hasattr(annotation, "__metadata__"):
        return _bare(annotation.__origin__)
    return annotation


def _is_parsed(field: FieldInfo) -> bool:
    """Whether the configuration reads a word itself, such as `auto` or `20ms`."""
    inner = (one for part in get_args(field.annotation) for one in getattr(part, "__metadata__", ()))
    return any(isinstance(one, BeforeValidator) for one in (*field.metadata, *inner))


def _is_list(field: FieldInfo) -> bool:
    return get_origin(_bare(field.annotation)) is list


def _values(field: FieldInfo) -> tuple[str, ...]:
    """The values of an option that takes one of a few words, or several of them."""
    kind = _bare(field.annotation)
    if get_origin(kind) is list:
        kind = _bare(get_args(kind)[0])
    return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()


def _metavar(field: FieldInfo) -> str | None:
    shown = f"[{'|'.join(_values(field))}]"
    if _values(field) and len(shown) <= SHORT:
        return shown
    if _is_list(field):
        return "<str>"
    return "<path>" if _bare(field.annotation) is Path else None


def _help(field: FieldInfo, option: Option) -> str:
    """One line of help: the description, its values where they do not stand beside the flag, the default."""
    text = field.description or ""
    values = _values(field)
    if values and len(f"[{'|'.join(values)}]") > SHORT:
        text += f"; one of {', '.join(values)}"
    default = field.get_default(call_default_factory=True)
    if not (default is PydanticUndefined or default is None or default == [] or isinstance(default, bool)):
        shown = "x".join(map(str, default)) if isinstance(default, tuple) else default
        text += f" [default: {shown}]"
    return text.replace("[", "\\[")  # rich would read brackets as markup
