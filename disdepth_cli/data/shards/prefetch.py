"""Shards that training will need soon, downloaded while it is busy with those it has."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.shards.cache import is_remote, local_copy, pin, room_for
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

    The shards of the window before, whose last batches workers may still be at, and of this one are never removed to
    make room; those of the next are only fetched while they fit in beside them.
    """

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = shards
        self.lock = threading.Lock()
        self.todo: deque[Shard] = deque()
        self.running = 0
        self.needed: list[str] = []

    def plan(self, window: Sequence[int], upcoming: Sequence[int]) -> None:
        """Fetch a window's shards, then the next one's, instead of what was planned before."""
        now, later = self._remote(window), self._remote(upcoming)
        needed = [shard.place for shard in now]
        pin({*self.needed, *needed})
        kept = [*self.needed, *needed]
        self.needed = needed
        room = [shard for number, shard in enumerate(later) if room_for(kept, _size(now + later[: number + 1]))]
        with self.lock:
            self.todo = deque(now + room)
            for _ in range(min(_THREADS, len(self.todo)) - self.running):
                threading.Thread(target=self._work, name="disdepth-prefetch", daemon=True).start()
                self.running += 1

    def _remote(self, numbers: Sequence[int]) -> list[Shard]:
        return [self.shards[number] for number in numbers if is_remote(self.shards[number].place)]

    def _work(self) -> None:
        while True:
            with self.lock:
                if not self.todo:
                    self.running -= 1
                    return
                shard = self.todo.popleft()
            with suppress(DisdepthError):  # whoever needs the shard meets the same, and names it
                local_copy(shard.place, shard.size, shard.sha256)


def _size(shards: Sequence[Shard]) -> int:
    return sum(shard.size or 0 for shard in shards)
