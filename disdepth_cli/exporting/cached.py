"""Where an exported file lies in the cache. No torch here."""

from __future__ import annotations

from pathlib import Path

import disdepth_cli
from disdepth_cli.data.shards.eviction import cache_folder

RECIPE = 2
"""Of the files in the cache: raise it when the same network would be written otherwise."""


def cached_onnx(network: str) -> Path:
    """The ONNX file of a network, by a name that changes with it: of this version and recipe alone."""
    return cache_folder() / "exports" / f"{network}-{disdepth_cli.__version__}-{RECIPE}.onnx"
