"""Whole runs on a device that is not there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pretend_device as pretend
import pytest
import torch
import yaml
from accelerate import PartialState

from disdepth_cli.config.parts import MachineOptions
from disdepth_cli.machine import devices, join
from disdepth_cli.training import prepare

TABLE = Path(torch.__path__[0]).parent / "torchgen" / "packaged" / "ATen" / "native" / "native_functions.yaml"
ANYWHERE = ("CompositeExplicitAutograd", "CompositeImplicitAutograd", "CompositeExplicitAutogradNonFunctional")


def mps_operators() -> tuple[set[str], set[str]]:
    """(those that MPS has, all there are), as `aten.name.overload`."""
    if not TABLE.is_file():
        pytest.skip("this PyTorch brings no table of operators along")
    entries = {}
    for entry in yaml.safe_load(TABLE.read_text()):
        name = entry["func"].split("(")[0]
        name, _, overload = name.partition(".")
        entries[f"aten.{name}.{overload or 'default'}"] = entry

    def has(entry: dict[str, Any]) -> bool:
        keys = {
            key.strip() for some in entry.get("dispatch", {"CompositeImplicitAutograd": ""}) for key in some.split(",")
        }
        if keys & {"MPS", *ANYWHERE}:
            return True
        delegate = entry.get("structured_delegate")
        return bool(delegate) and has(entries[f"aten.{delegate if '.' in delegate else delegate + '.default'}"])

    return {name for name, entry in entries.items() if has(entry)}, set(entries)


@pytest.fixture
def on_pretended_device(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`with on_pretended_device(float64=True) as seen:` commands that ask for `auto` get the device; see the module."""
    whole = devices.make_accelerator

    def accelerator(machine: MachineOptions) -> Any:
        made = whole(machine.model_copy(update={"device": "cpu"}))
        made.state.device = PartialState._shared_state["device"] = pretend.DEVICE
        return made

    def pick(name: str) -> torch.device:
        return pretend.DEVICE if name == "auto" else torch.device(name)

    @contextmanager
    def start(float64: bool = True) -> Iterator[Any]:
        for module in list(sys.modules.values()):
            if getattr(module, "make_accelerator", None) is whole:
                monkeypatch.setattr(module, "make_accelerator", accelerator)
        # In inference mode, operators come to a dispatch mode undivided.
        monkeypatch.setattr(torch, "inference_mode", lambda *_: torch.no_grad())
        monkeypatch.setattr(prepare, "pick_device", pick)
        monkeypatch.setattr(join, "set_device", pick)
        with pretend.pretend_device(float64) as seen:
            yield seen

    return start


@pytest.fixture
def not_on_mps() -> Callable[[Any], set[str]]:
    """`not_on_mps(operators)` -> those that PyTorch's own table does not list for MPS."""
    there, known = mps_operators()
    return lambda operators: {name for name in operators if name in known and name not in there}
