"""The order of a run: a permutation an epoch, in batches, the same whenever and wherever it is drawn."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest

from disdepth_cli.data.batches.loader import TrainBatches, batches_per_epoch
from disdepth_cli.data.batches.order import Order
from disdepth_cli.errors import DataError


def batches_of(blocks: list[int], batch_size: int, seed: int, start: int, total: int, **ranks: int) -> TrainBatches:
    return TrainBatches(Order(blocks, seed), batch_size, start, total, **ranks)


@pytest.mark.parametrize("blocks", [[23], [5, 1, 9, 0, 8], [1] * 23])
def test_every_epoch_is_a_new_permutation(blocks: list[int]) -> None:
    views = list(islice(Order(blocks, 1, window=2).stream(0), 3 * 23))
    epochs = [views[n : n + 23] for n in (0, 23, 46)]
    for number, epoch in enumerate(epochs):
        assert {place[0] for place in epoch} == {number}
        assert sorted(place[1] for place in epoch) == list(range(23))
    orders = [[place[1] for place in epoch] for epoch in epochs]
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != list(range(23))
    assert list(islice(Order(blocks, 1, window=2).stream(0), 69)) == views
    assert list(islice(Order(blocks, 2, window=2).stream(0), 69)) != views


@pytest.mark.parametrize("blocks", [[23], [5, 1, 9, 0, 8]])
@pytest.mark.parametrize("start", [0, 1, 4, 5, 11, 15, 16])
def test_resume_gives_the_tail(blocks: list[int], start: int) -> None:
    whole = list(batches_of(blocks, 4, 3, 0, 15))
    tail = batches_of(blocks, 4, 3, start, 15)
    assert list(tail) == whole[start:]
    assert len(tail) == len(whole[start:])


def test_nothing_is_left_over() -> None:
    seen = [place for batch in batches_of([7], 3, 0, 0, 7) for place in batch]
    assert batches_per_epoch(7, 3) == 2
    assert sorted(seen) == [(epoch, index) for epoch in range(3) for index in range(7)]


def test_ranks_share_a_step() -> None:
    ranks = [list(batches_of([25], 4, 9, 0, 6, rank=rank, world=3)) for rank in range(3)]
    whole = list(batches_of([25], 12, 9, 0, 6))
    assert [[*a, *b, *c] for a, b, c in zip(*ranks, strict=True)] == whole


def test_fewer_items_than_a_step_takes() -> None:
    ranks = [list(batches_of([3], 4, 9, 0, 3, rank=rank, world=2)) for rank in range(2)]
    assert [[len(batch) for batch in rank] for rank in ranks] == [[4, 4, 4], [4, 4, 4]]
    seen = sorted(place for rank in ranks for batch in rank for place in batch)
    assert seen == [(epoch, index) for epoch in range(8) for index in range(3)]
    with pytest.raises(DataError, match="no images"):
        Order([0], 0)


def test_what_comes_next_is_told_when_other_files_come() -> None:
    told: list[tuple[list[int], list[int]]] = []
    order = Order([10] * 5, 1, window=2, on_window=lambda now, then: told.append((list(now), list(then))))
    views = order.stream(0)
    list(islice(views, 100))
    assert [len(now) for now, _ in told] == [2, 2, 1] * 2
    for (_, then), (now, _) in pairwise(told):
        assert then == now
    seen = [index // 10 for _, index in islice(order.stream(0), 20)]
    assert set(seen) == set(told[0][0])
    told.clear()
    next(order.stream(25))
    assert len(told) == 1 and told[0][0] != [0, 1]


def test_few_files_are_open_at_a_time() -> None:
    """With a window of 3 files of 100, any 300 views in a row touch at most 6 files, and neighbours are mixed."""
    files = np.array([index // 100 for _, index in islice(Order([100] * 40, 5, window=3).stream(0), 4000)])
    assert max(len(set(files[start : start + 300])) for start in range(0, 3700, 50)) <= 6
    assert np.mean(files[1:] == files[:-1]) < 0.5
