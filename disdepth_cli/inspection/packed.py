"""Whether packed shards still hold the bytes that were packed."""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.shards.address import is_remote
from disdepth_cli.data.shards.cache import sha256_of
from disdepth_cli.data.shards.items import Shard, ShardItems
from disdepth_cli.inspection.problems import Problems


def judge_shards(problems: Problems, source: DataSource) -> None:
    """Compare every shard here with the SHA-256 in its index; those elsewhere are compared when they are fetched."""
    for split, items in (("train", source.train), ("val", source.val)):
        if not isinstance(items, ShardItems):
            continue
        damaged = [(shard.location, problem) for shard in items.shards if (problem := _problem(shard))]
        if damaged:
            problems.blame(split, damaged, "shards are damaged")


def _problem(shard: Shard) -> str:
    if shard.sha256 is None or is_remote(shard.location):
        return ""
    try:
        same = sha256_of(Path(shard.location)) == shard.sha256
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return "" if same else "its bytes are not those that were packed (SHA-256); copy or pack it again"
