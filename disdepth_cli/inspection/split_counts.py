"""What the findings of a split add up to, in memory that grows by some 300 bytes an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from disdepth_cli.data.files.dataset import Split
from disdepth_cli.inspection.finding import DepthStatistics, Finding
from disdepth_cli.inspection.labels import Label

_KINDS = ("image_sizes", "image_kinds", "depth_sizes", "depth_kinds")
MOST_ALIKE = 64  # training images that one val image is compared with for each part of its look
NEAR = 8  # of 256 bits that may differ between two looks of one view


@dataclass
class SplitCounts:
    """Counts over the items of one split that were looked at; `problems` are (key, problem)."""

    split: Split
    listed: int
    looked_at: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    without_depth: int = 0
    empty: list[str] = field(default_factory=list)
    kinds: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in _KINDS})
    depth: DepthStatistics = field(default_factory=DepthStatistics)
    digests: dict[bytes, str] = field(default_factory=dict)
    gradient_hashes: list[tuple[str, bytes]] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def add(self, found: Finding) -> None:
        """Count one finding."""
        self.looked_at += 1
        if found.problem:
            self.problems.append((found.key, found.problem))
            return
        self._add_image(found)
        if found.depth_size is None or found.statistics is None:
            self.without_depth += 1
            return
        self.kinds["depth_sizes"][_size(found.depth_size)] += 1
        self.kinds["depth_kinds"][found.depth_kind] += 1
        self.depth.add(found.statistics)
        self.labels += [found.label] if found.label is not None else []
        if not found.statistics.in_range:
            self.empty.append(found.key)

    def _add_image(self, found: Finding) -> None:
        self.kinds["image_sizes"][_size(found.image_size)] += 1
        self.kinds["image_kinds"][found.image_kind] += 1
        if found.digest in self.digests:
            self.repeated.append((self.digests[found.digest], found.key))
        else:
            self.digests[found.digest] = found.key
        if found.gradient_hash:
            self.gradient_hashes.append((found.key, found.gradient_hash))

    @property
    def pairs(self) -> int:
        """Images with readable depth."""
        return self.looked_at - len(self.problems) - self.without_depth

    def as_dict(self) -> dict[str, Any]:
        """Counts for the result; shares are of all pixels of the depth maps."""
        depth = self.depth
        return {
            "listed": self.listed,
            "looked_at": self.looked_at,
            "pairs": self.pairs,
            "unlabelled": self.without_depth,
            "unreadable": len(self.problems),
            "without_valid_depth": len(self.empty),
            "valid_share": round(depth.positive / depth.pixels, 6) if depth.pixels else None,
            "in_range_share": round(depth.in_range / depth.pixels, 6) if depth.pixels else None,
            **{name: dict(counted.most_common()) for name, counted in self.kinds.items()},
        }


def shared_images(train: SplitCounts, val: SplitCounts) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(train, val) keys of equal files, and of pictures that look the same although their files differ."""
    equal = [(train.digests[digest], key) for digest, key in val.digests.items() if digest in train.digests]
    known = {key for _, key in equal}
    others = [(key, gradient_hash) for key, gradient_hash in val.gradient_hashes if key not in known]
    if not others or not train.gradient_hashes:
        return equal, []
    val_bits, train_bits = _bits(others), _bits(train.gradient_hashes)
    best: dict[int, tuple[int, int]] = {}  # of mine: (bits apart, number of theirs)
    for part in np.array_split(np.arange(val_bits.shape[1]), NEAR + 1):  # of NEAR + 1 parts one at least is equal
        codes = [np.packbits(bits[:, part], axis=1) for bits in (train_bits, val_bits)]
        keys = [np.ascontiguousarray(code).view(f"V{code.shape[1]}").ravel() for code in codes]
        _, shared = np.unique(np.concatenate(keys), return_inverse=True)
        by_code: dict[int, list[int]] = {}
        for number, code in enumerate(shared[: len(train_bits)].tolist()):
            by_code.setdefault(code, []).append(number)
        for own, code in enumerate(shared[len(train_bits) :].tolist()):
            candidates = by_code.get(code, [])[:MOST_ALIKE]
            if candidates:
                apart = (train_bits[candidates] != val_bits[own]).sum(axis=1)
                closest = int(apart.argmin())
                best[own] = min(best.get(own, (len(val_bits[own]), 0)), (int(apart[closest]), candidates[closest]))
    near = sorted((own, number) for own, (apart, number) in best.items() if apart <= NEAR)
    return equal, [(train.gradient_hashes[number][0], others[own][0]) for own, number in near]


def _bits(gradient_hashes: list[tuple[str, bytes]]) -> np.ndarray:
    """(n, 256) bool."""
    packed = np.frombuffer(b"".join(hashed for _, hashed in gradient_hashes), np.uint8)
    packed = packed.reshape(len(gradient_hashes), -1)
    return np.unpackbits(packed, axis=1).view(bool)


def depth_of_all(counts_by_split: Iterable[SplitCounts]) -> DepthStatistics:
    """The depth of several splits together."""
    whole = DepthStatistics()
    for counts in counts_by_split:
        whole.add(counts.depth)
    return whole


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
