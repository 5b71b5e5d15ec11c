"""The docstrings of the public names: complete, and their examples run, offline, with the bundled student."""

from __future__ import annotations

import doctest
import inspect

import pytest

import disdepth_cli

NAMES = sorted(set(disdepth_cli.__all__) - {"__version__", "DisdepthError"})
METHODS = {"Depth": ("save", "load", "colour"), "DepthStudent": ("from_pretrained", "predict", "predict_batch")}
SLOW = {"benchmark", "distill", "export"}
FUNCTIONS = [name for name in NAMES if name not in METHODS]
FUNCTIONS += [f"{name}.{method}" for name, methods in METHODS.items() for method in methods]


def found(name):
    thing = disdepth_cli
    for part in name.split("."):
        thing = getattr(thing, part)
    return thing


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in NAMES])
def test_the_examples_run(name, desk):
    thing = found(name)
    examples = [test for test in doctest.DocTestFinder().find(thing, name, globs={}) if test.examples]
    assert any(test.name == name for test in examples), f"{name} has no example"
    for test in examples:
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        assert runner.run(test, out=said.append).failed == 0, "".join(said)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_results_and_errors_are_described(name):
    function = found(name)
    text = inspect.getdoc(function)
    parameters = inspect.signature(function).parameters.values()
    for parameter in parameters:
        if parameter.name != "self":
            stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
            assert f"\n    {stars}{parameter.name}: " in text, f"{name}({parameter.name})"
    assert "\nArgs:\n" in text and "\nRaises:\n" in text
    assert "\nReturns:\n" in text or inspect.signature(function).return_annotation == "None"
