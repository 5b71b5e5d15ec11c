"""What a list or a folder holds, and which part of it is val where nobody says."""

from __future__ import annotations

from dataclasses import dataclass, field

from disdepth_cli.data.files.item import DataItem, Skipped

TENTH = 10


@dataclass
class Listing:
    """What a list or folder holds, in order.

    missing: rows that point nowhere; skipped: what has no ground truth. slashed: rows whose leading slash was dropped.
    """

    items: list[DataItem] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    missing: list[Skipped] = field(default_factory=list)
    leading_slashes: int = 0

    def add(self, other: Listing) -> None:
        """Append another listing."""
        self.items += other.items
        self.skipped += other.skipped
        self.missing += other.missing
        self.leading_slashes += other.leading_slashes


def every_tenth(count: int) -> range:
    """Which of `count` things are val where nobody says: every 10th, at least the last; none of none."""
    return range(count)[TENTH - 1 :: TENTH] or range(count)[-1:]
