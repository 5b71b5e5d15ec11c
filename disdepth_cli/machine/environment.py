"""What accelerate would read from the environment, kept from it: a run is what its options say, on every machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from disdepth_cli.errors import ConfigError
from disdepth_cli.machine.launch import SIZES, launched

OTHER_WAYS = (
    *("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_MEGATRON_LM"),
    "ACCELERATE_USE_PARALLELISM_CONFIG",
)
"""Ways to share a training among processes that would make another student."""

_OF_THE_MACHINE = ("ACCELERATE_USE_CPU", "ACCELERATE_CPU_AFFINITY", "ACCELERATE_DEBUG_MODE")


@contextmanager
def own_environment() -> Iterator[None]:
    """Without accelerate's variables that change what is learned (steps to accumulate, compilation, precision), and
    without a number of processes that no launcher has started.

    Raises:
        ConfigError: the environment asks for another way to train than data parallel.
    """
    for name in OTHER_WAYS:
        if os.environ.get(name, "").lower() in ("true", "1", "yes"):
            raise ConfigError(f"{name}={os.environ[name]}: training here is plain data parallel; launch it without")
    hidden = {name for name in os.environ if name.startswith("ACCELERATE_") and name not in _OF_THE_MACHINE}
    if launched()[1] == 1:
        hidden |= {name for name in SIZES if name in os.environ}
    before = {name: os.environ.pop(name) for name in hidden}
    try:
        yield
    finally:
        os.environ.update(before)
