"""Depth maps beside each other: which of them are of another unit, another kind, or no depth at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from disdepth_cli.data.files.dataset import DataSource, Split
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.pair import read_label
from disdepth_cli.data.shards.items import ShardItems
from disdepth_cli.errors import DataError

LOOKED_AT = 32  # depth maps of a split, where not all are read
REMOTE = 8  # of shards elsewhere
APART = 5.5  # between two groups of medians, in standard deviations of their logarithms
FACTOR = 5.0  # between the groups' own medians
KNOWN = 0.3  # of a logarithm: how near a factor is to that of two units
NEAREST, FARTHEST = 0.5, 60.0  # metres, of a median of any scene's
SPLITS = 3.0  # between the medians of train and val
SMALL_GROUP = 0.1  # share of the maps that a group has at least
UPSIDE_DOWN = 0.8  # share of the maps that are farther at the bottom, as disparity is
SLOPE = 1.05  # bottom over top
ENOUGH = 8  # maps to speak of a share
_SIDE = 96  # pixels of a map's shorter side that are looked at, about
_FACTORS = (1000 / 256, 5.0, 10.0, 25.6, 100.0, 256.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Label:
    """One depth map in few numbers. median [m]: of its depth, 0 without any. same: one value everywhere. used: some of
    it lies in the data's range. slope: 1 where its lower third is farther than its upper one, -1 nearer, else 0."""

    key: str
    split: Split
    median: float
    same: bool
    used: bool
    slope: int


def label_of(depth: np.ndarray, key: str, split: Split, min_depth: float, max_depth: float) -> Label:
    """depth (h, w) [m], 0 = invalid, looked at in steps."""
    step = max(min(depth.shape) // _SIDE, 1)
    seen = depth[::step, ::step]
    there = seen[seen > 0]
    if not there.size:
        seen, there = depth, depth[depth > 0]
    if not there.size:
        return Label(key, split, 0.0, False, False, 0)
    third = max(seen.shape[0] // 3, 1)
    top, bottom = seen[:third], seen[-third:]
    slope = 0
    if min(np.count_nonzero(top), np.count_nonzero(bottom)) * 20 > top.size:
        ratio = float(np.median(bottom[bottom > 0]) / np.median(top[top > 0]))
        slope = 1 if ratio > SLOPE else -1 if ratio < 1 / SLOPE else 0
    used = bool(((depth > min_depth) & (depth < max_depth)).any())
    return Label(key, split, float(np.median(there)), bool(there.min() == there.max()), used, slope)


def look_at_labels(
    source: DataSource, split: Split, items: Sequence[DataItem], min_depth: float, max_depth: float
) -> list[Label]:
    """Up to 32 depth maps, spread over the items; those that cannot be read are left to whoever needs them."""
    labels = []
    for item in _spread(items):
        try:
            depth = read_label(item, source.coding)
        except DataError:
            continue
        if depth is not None:
            labels.append(label_of(depth, source.key(item), split, min_depth, max_depth))
    return labels


def oddities(labels: Sequence[Label]) -> Iterator[str]:
    """What is odd about depth maps beside each other, a line each."""
    known = [label for label in labels if label.median > 0]
    groups = list(_two_units(known))
    yield from groups or _two_splits(known)
    same = [label for label in known if label.same]
    if same:
        yield f"{len(same)} depth maps hold one value everywhere, the first: {same[0].key}: they tell nothing of depth"
    below = sum(label.slope > 0 for label in known)
    if len(known) >= ENOUGH and below >= UPSIDE_DOWN * len(known):
        yield (
            f"{below} of {len(known)} depth maps are farther at the bottom than at the top, as disparity and inverse "
            "depth are, where larger is nearer: if these are, say `depth_kind:` in data.yaml"
        )


def _two_units(labels: Sequence[Label]) -> Iterator[str]:
    """Two groups of medians that lie apart as two units do: far, for their spread, and by a known factor or with one of
    them where no scene is."""
    ordered = sorted(labels, key=lambda label: label.median)
    if len(ordered) < 4:
        return
    logs = np.log([label.median for label in ordered])
    cut = _cut(logs)
    below, above = logs[:cut], logs[cut:]
    low, high = float(np.exp(np.median(below))), float(np.exp(np.median(above)))
    spread = np.sqrt((below.var() * len(below) + above.var() * len(above)) / len(logs))
    if min(len(below), len(above)) < max(2, SMALL_GROUP * len(logs)) or high / low < FACTOR:
        return
    if np.log(high / low) < APART * spread or not (_known(high / low) or low < NEAREST or high > FARTHEST):
        return
    odd = ordered[0] if len(below) <= len(above) else ordered[-1]
    yield (
        f"the depth maps are of two groups: {len(below)} have a median of about {low:.3g} m and {len(above)} of about "
        f"{high:.3g} m, {_factor(high / low)}: are they stored in one unit? the first of the fewer: {odd.key}; give "
        "each split or data set its own depth_scale in data.yaml"
    )


def _cut(ordered: np.ndarray) -> int:
    """Where sorted numbers (n,) fall apart: the two parts with the least variance inside (Otsu's threshold)."""
    count = np.arange(1, len(ordered))
    first = np.cumsum(ordered)[:-1] / count
    second = (ordered.sum() - np.cumsum(ordered)[:-1]) / (len(ordered) - count)
    return int(np.argmax(count * (len(ordered) - count) * (second - first) ** 2)) + 1


def _two_splits(labels: Sequence[Label]) -> Iterator[str]:
    """Train and val of different units."""
    medians = {}
    for split in ("train", "val"):
        found = [label.median for label in labels if label.split == split]
        if len(found) < 2:
            return
        medians[split] = float(np.median(found))
    ratio = max(medians.values()) / min(medians.values())
    if ratio >= SPLITS:
        yield (
            f"the median depth of train is {medians['train']:.3g} m, that of val {medians['val']:.3g} m, "
            f"{_factor(ratio)}: where they are stored in different units, say depth_scale: {{train: ..., val: ...}}"
        )


def _factor(ratio: float) -> str:
    """A ratio, and the known factor between two units that it may be."""
    known = _known(ratio)
    return f"{ratio:.3g} times as much{f' (two units may be {known:.3g} apart)' if known else ''}"


def _known(ratio: float) -> float | None:
    """The factor between two units that a ratio is near, to a third."""
    near = min(_FACTORS, key=lambda factor: abs(np.log(ratio / factor)))
    return near if abs(np.log(ratio / near)) < KNOWN else None


def _spread(items: Sequence[DataItem]) -> Sequence[DataItem]:
    """Up to 32 items with depth, spread over all."""
    if isinstance(items, ShardItems):
        return items.few(REMOTE if items.remote else LOOKED_AT)
    step = -(-len(items) // (2 * LOOKED_AT)) or 1
    known = [item for item in (items[index] for index in range(0, len(items), step)) if item.depth is not None]
    return known[:: -(-len(known) // LOOKED_AT)] if known else []
