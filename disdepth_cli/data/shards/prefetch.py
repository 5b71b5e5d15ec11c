"""Shards that training will need soon, downloaded while it is busy with those it has."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.shards.address import is_remote
from disdepth_cli.data.shards.cache import copy_of, local_copy
from disdepth_cli.data.shards.eviction import cache_limit, touch, use_of
from disdepth_cli.data.shards.items import Shard, ShardItems
from disdepth_cli.errors import DisdepthError

_THREADS = 4

OnWindow = Callable[[Sequence[int], Sequence[int]], None]
"""Told the numbers of the files whose images come now, and of those that come after them."""


def prefetch_of(items: Sequence[DataItem]) -> OnWindow | None:
    """What an `Order` tells of its windows so that their shards are here in time; None: nothing is to be downloaded."""
    return Prefetch(items.shards).plan if isinstance(items, ShardItems) and items.remote else None


class Prefetch:
    """Threads of the main process that download shards and end when there is nothing to do.

    The shards of this window, and of the one before whose last batches workers may still be at, are marked as used
    last, so that they are removed last. Those of the next are fetched while all fit in the cache together.
    """

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = shards
        self.lock = threading.Lock()
        self.todo: deque[Shard] = deque()
        self.running = 0
        self.before: list[Shard] = []

    def plan(self, window: Sequence[int], upcoming: Sequence[int]) -> None:
        """Fetch a window's shards, then the next one's, instead of what was planned before."""
        now = self._remote(window)
        needed = {*self.before, *now}
        for shard in (*self.before, *now):
            touch(copy_of(shard.location, shard.sha256))
        self.before = now
        todo = deque(now)
        for shard in self._remote(upcoming):
            needed.add(shard)
            if sum(map(_size, needed)) > cache_limit():
                break
            todo.append(shard)
        with self.lock:
            self.todo = todo
            for _ in range(min(_THREADS, len(self.todo)) - self.running):
                threading.Thread(target=self._work, name="disdepth-prefetch", daemon=True).start()
                self.running += 1

    def _remote(self, numbers: Sequence[int]) -> list[Shard]:
        return [self.shards[number] for number in numbers if is_remote(self.shards[number].location)]

    def _work(self) -> None:
        while True:
            with self.lock:
                if not self.todo:
                    self.running -= 1
                    return
                shard = self.todo.popleft()
            with suppress(DisdepthError):  # whoever needs the shard meets the same, and names it
                local_copy(shard.location, shard.size, shard.sha256)


def _size(shard: Shard) -> int:
    """Bytes that a shard takes; 0 where no index says it and it is not here yet."""
    return use_of(copy_of(shard.location, shard.sha256))[1] if shard.size is None else shard.size
