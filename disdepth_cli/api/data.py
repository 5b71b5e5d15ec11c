"""check and pack in Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from disdepth_cli.api.options import config_of
from disdepth_cli.config import CheckConfig, PackConfig
from disdepth_cli.observer import Observer, Observers
from disdepth_cli.results.data import CheckResult, PackResult


def check(
    data: str | Path | None = None,
    *,
    config: CheckConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> CheckResult:
    """Look at every image and depth map of a data set before time is spent on it.

    Args:
        data: a data.yaml, a folder with `rgb/` (or `images/`) and `depth/`, a folder of images, or shards.
        config: all options at once, in place of the others.
        observers: are told of the progress and of the warnings.
        **options: the other fields of `CheckConfig`, such as `sample`, `picture` and `output`.

    Returns:
        The result; `problems` names every offending file.

    Raises:
        DisdepthError: an unknown option, or the data set cannot be opened at all.

    Example:
        >>> from disdepth_cli import check
        >>> result = check("data.yaml", picture=False)
        >>> result.ok, result.splits["val"]["pairs"], result.problems
        (True, 3, [])
    """
    from disdepth_cli.engine.check import check as run

    return run(config_of(CheckConfig, config, {"data": data, **options}), Observers(observers))


def pack(
    data: str | Path | None = None,
    output: str | Path | None = None,
    *,
    config: PackConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> PackResult:
    """Write a data set as tar shards (WebDataset): `train-000000.tar`, ..., `val-000000.tar`, ..., and `index.json`.

    The same data and options give the same bytes.

    Args:
        data: a data.yaml, a folder with `rgb/` (or `images/`) and `depth/`, a folder of images, or shards.
        output: a new folder for the shards.
        config: all options at once, in place of the others.
        observers: are told of the progress and of what is skipped.
        **options: the other fields of `PackConfig`, such as `depth`, `size` and `shard_size`.

    Returns:
        How much was packed, and where.

    Raises:
        DisdepthError: an unknown option, data that cannot be packed, or a folder that cannot be written.

    Example:
        >>> from disdepth_cli import pack
        >>> result = pack("data.yaml", "shards", workers=0)
        >>> result.train["images"], result.val["images"]
        (17, 3)
    """
    from disdepth_cli.engine.pack import pack as run

    return run(config_of(PackConfig, config, {"data": data, "output": output, **options}), Observers(observers))
