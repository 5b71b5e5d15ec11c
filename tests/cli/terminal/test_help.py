"""The help of each command: `-h`, examples that parse, marks of what must be given."""

from __future__ import annotations

import shlex

import pytest
import typer
from typer.core import TyperGroup

from disdepth_cli.cli.app import app
from disdepth_cli.cli.examples import EXAMPLES
from disdepth_cli.config import AcclimateConfig, BaseConfig, EvaluateConfig, PackConfig, PushConfig

GROUP = typer.main.get_command(app)
assert isinstance(GROUP, TyperGroup)
COMMANDS = GROUP.commands


@pytest.mark.parametrize("verb", COMMANDS)
def test_both_help_flags_show_the_same_with_two_examples(verb: str, cli) -> None:
    short, long = cli(verb, "-h"), cli(verb, "--help")
    assert short.code == long.code == 0 and short.out == long.out
    assert len(EXAMPLES[verb]) == 2 and all(line in short.out for line in EXAMPLES[verb])


def test_the_apps_own_help_has_the_short_flag_too(cli) -> None:
    outcome = cli("-h")
    assert outcome.code == 0 and all(verb in outcome.out for verb in COMMANDS)


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_examples_parse(line: str) -> None:
    """Through the parser of the command; nothing is run."""
    program, verb, *words = shlex.split(line)
    assert program == "disdepth" and line in EXAMPLES[verb]
    COMMANDS[verb].make_context(verb, words)


@pytest.mark.parametrize("kind", [AcclimateConfig, EvaluateConfig, PackConfig, PushConfig])
def test_what_must_be_given_is_marked(kind: type[BaseConfig], cli) -> None:
    """A line a parameter; the mark is the end of its text."""
    text = cli(kind.verb(), "--help-all").out
    required = [known for known in kind.options().values() if known.field.is_required()]
    assert text.count("[required]") == len(required) > 0
