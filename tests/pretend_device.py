"""A device that is not there: tensors that say they lie on `meta`, whose numbers are computed on the CPU.

Whole commands run on it as they are, and what an accelerator would suffer from is seen without one:

- a tensor of the CPU that meets one of the device is an error, as on CUDA (zero-dimensional ones may);
- float64 on the device is an error where `float64=False`, as on MPS;
- whatever makes the host wait for the device (`item`, `bool`, `cpu`, a boolean index, `nonzero`) is kept in `waits`,
  each with the line of ours that asked; what travels to the device is kept in `copies`, its operators in `operators`.
"""

from __future__ import annotations

import linecache
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from types import FrameType
from typing import Any
from unittest.mock import patch

import torch
import torch._dynamo  # before its parts are imported in between
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
aten = torch.ops.aten
READS = {aten._local_scalar_dense.default, aten.equal.default, aten.is_nonzero.default}
SHAPED_BY_DATA = {
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.repeat_interleave.Tensor,
    aten.bincount.default,
}
MOVES = {aten._to_copy.default}
FREE = {aten.detach.default, aten.alias.default, aten.view.default, aten._unsafe_view.default, aten.t.default}


_PRESENT: list[Pretend] = []


class Away(Tensor):
    """A tensor of the device; `home` holds its numbers, on the CPU."""

    home: Tensor

    @staticmethod
    def __new__(cls, home: Tensor) -> Away:
        made = Tensor._make_wrapper_subclass(
            cls,
            home.shape,
            strides=home.stride(),
            storage_offset=home.storage_offset(),
            dtype=home.dtype,
            device=DEVICE,
            requires_grad=False,
        )
        made.home = home
        return made

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _PRESENT[-1].__torch_dispatch__(func, types, args, kwargs)  # in a thread, where no mode is entered


class Pretend(TorchDispatchMode):
    """The device, while the context is entered; see `pretend_device`."""

    def __init__(self, float64: bool = True) -> None:
        super().__init__()
        self.float64 = float64
        self.waits: list[str] = []
        self.copies: list[str] = []
        self.operators: Counter[str] = Counter()
        self.thread = threading.get_ident()

    def clear(self) -> None:
        """Forget the waits and copies so far."""
        self.waits, self.copies = [], []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        given = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Tensor)]
        away = [one for one in given if isinstance(one, Away)]
        named = kwargs.get("device")
        target = None if named is None else torch.device(named)
        if not away and target != DEVICE:
            return func(*args, **kwargs)
        if func in MOVES and target is not None:
            return self._move(func, args, kwargs, target)
        if func is aten.copy_.default and isinstance(args[0], Away) != isinstance(args[1], Away):
            return self._copy(args)
        self.operators[str(func)] += 1
        self._check(func, given, away)
        if func in READS or func in SHAPED_BY_DATA or (func in INDEXING and _by_bool(args)):
            self._wait(str(func))
        if target == DEVICE:
            kwargs["device"] = torch.device("cpu")
        out = func(*tree_map(_home, args), **tree_map(_home, kwargs))
        known = {id(one.home): one for one in away}
        return tree_map(lambda one: self._away(one, known), out)

    def _away(self, out: Any, known: dict[int, Away]) -> Any:
        if not isinstance(out, Tensor):
            return out
        if id(out) in known:
            return known[id(out)]
        if out.dtype == torch.float64 and not self.float64:
            raise TypeError(f"the device has no float64, asked for at {_line()}")
        return Away(out)

    def _move(self, func: Any, args: Any, kwargs: Any, target: torch.device) -> Any:
        source = args[0]
        if isinstance(source, Away) and target == DEVICE:
            self.operators[str(func)] += 1
            return self._away(func(source.home, **{**kwargs, "device": torch.device("cpu")}), {})
        if isinstance(source, Away):
            self._wait("to the CPU")
            return func(source.home, **kwargs)
        self._travel(kwargs.get("non_blocking", False))
        moved = func(source, **{**kwargs, "device": torch.device("cpu")})
        return self._away(moved, {})

    def _copy(self, args: Any) -> Any:
        into, source = args[0], args[1]
        if isinstance(into, Away):
            self._travel(len(args) > 2 and args[2])
            into.home.copy_(source)
        else:
            self._wait("to the CPU")
            into.copy_(source.home)
        return into

    def _wait(self, what: str) -> None:
        """Of the thread that runs the command alone: others may wait while it goes on."""
        if threading.get_ident() == self.thread:
            self.waits.append(f"{what} at {_line()}")

    def _travel(self, non_blocking: bool) -> None:
        self.copies.append(f"{'non_blocking' if non_blocking else 'waiting'} at {_line()}")

    def _check(self, func: Any, given: list[Tensor], away: list[Away]) -> None:
        strangers = [one for one in given if not isinstance(one, Away) and one.ndim]
        if away and strangers and not (func in INDEXING and all(isinstance(one, Away) for one in given[:1])):
            raise AssertionError(f"{func} of tensors of the device and of the CPU, at {_line()}")
        if away and strangers:  # an index of the CPU is sent over
            self._travel(False)


INDEXING = {
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
    aten._unsafe_index.Tensor,
}


def _by_bool(args: Any) -> bool:
    return any(isinstance(one, Tensor) and one.dtype in (torch.bool, torch.uint8) for one in args[1])


def _home(one: Any) -> Any:
    return one.home if isinstance(one, Away) else one


def _line() -> str:
    """The innermost line of the project that is being run."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        file = frame.f_code.co_filename
        if "disdepth_cli" in file:
            line = linecache.getline(file, frame.f_lineno).strip()
            return f"{file.rpartition('disdepth_cli/')[2]}:{frame.f_lineno} {line}"
        frame = frame.f_back
    return "a line outside the project"


_GENERATOR, _AUTOCAST = torch.Generator, torch.autocast


def _autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
    return nullcontext() if device_type == DEVICE.type else _AUTOCAST(device_type, *args, **kwargs)


class _Generator:
    """A generator of the device is one of the CPU; nothing here draws from it."""

    def __new__(cls, device: Any = None) -> Any:
        return _GENERATOR() if device is None or torch.device(device) == DEVICE else _GENERATOR(device)


@contextmanager
def pretend_device(float64: bool = True) -> Iterator[Pretend]:
    """Have the device, under the name `meta`, and see what is done with it."""
    seen = Pretend(float64)
    with ExitStack() as stack:
        stack.enter_context(patch.object(torch, "autocast", _autocast))
        stack.enter_context(patch.object(torch, "Generator", _Generator))
        _PRESENT.append(seen)
        stack.callback(_PRESENT.pop)
        stack.enter_context(seen)
        yield seen
