"""Order, resume, ranks, workers and failures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from disdepth_cli.config import AugmentConfig
from disdepth_cli.data.batches.loader import LoadFailure, TrainBatches, TrainDataset, eval_loader, train_loader
from disdepth_cli.data.batches.order import Order
from disdepth_cli.data.batches.views import TrainView
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.types import DepthBatch, DepthSample
from disdepth_cli.working_size import WorkingSize, fit

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),  # machines with one core
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # Python 3.12+
]
WORKING = WorkingSize(32, 64)


def dataset_of(source: DataSource) -> TrainDataset:
    view = TrainView(AugmentConfig(), (32, 32), WORKING, None, 7, source.min_depth, source.max_depth)
    return TrainDataset(source.train, source, view)


def load(source: DataSource, workers: int, start: int = 0, total: int = 6) -> list[DepthBatch]:
    dataset = dataset_of(source)
    stored = train_loader(dataset, TrainBatches(Order([len(dataset)], 5), 3, start, total), workers)
    return [batch.to(torch.device("cpu")) for batch in stored]


def test_same_batches_with_any_number_of_workers_and_after_resume(make_pairs) -> None:
    source = load_source(make_pairs(10))
    alone = load(source, 0)
    assert [len(batch) for batch in alone] == [3] * 6
    state = torch.get_rng_state()
    for others, start in ((load(source, 2), 0), (load(source, 0, start=4), 4)):
        for one, other in zip(alone[start:], others, strict=True):
            assert one.keys == other.keys
            for name in ("image", "depth", "valid", "labelled"):
                assert torch.equal(getattr(one, name), getattr(other, name))
    assert torch.equal(state, torch.get_rng_state())  # dropout of a resumed run is the same too
    assert alone[0].image.shape == (3, 3, 32, 32)
    assert alone[0].labelled.all()
    assert all(key.startswith("rgb/") for key in alone[0].keys)


def test_failures_are_carried_in_the_batch(make_pairs) -> None:
    root = make_pairs(10)
    data = (root / "rgb/0002.png").read_bytes()
    (root / "rgb/0002.png").write_bytes(data[: len(data) // 2])
    (root / "depth/0005.png").write_bytes(b"")
    cv2.imwrite(str(root / "depth/0006.png"), np.ones((64, 48), np.uint16))
    source = load_source(root)
    for workers in (0, 2):
        batches = load(source, workers, total=3)
        failures = dict(failure for batch in batches for failure in batch.failures)
        assert set(failures) == {"rgb/0002.png", "rgb/0005.png", "rgb/0006.png"}
        assert str(root / "rgb/0002.png") in failures["rgb/0002.png"]
        assert "depth/0005.png: is empty" in failures["rgb/0005.png"]
        assert "aspect" in failures["rgb/0006.png"]
        assert sum(len(batch) for batch in batches) == 6
        assert all(len(batch) + len(batch.failures) == 3 for batch in batches)


def test_batch_of_failures_only(make_pairs) -> None:
    root = make_pairs(4)
    source = load_source(root)
    for file in (root / "rgb").iterdir():
        file.write_bytes(b"")
    (batch,) = load(source, 0, total=1)
    assert (len(batch), len(batch.failures)) == (0, 3)


def test_dataset_items(make_pairs) -> None:
    root = make_pairs(3)
    source = load_source(root)
    dataset = dataset_of(source)
    sample = dataset[0, 1]
    assert isinstance(sample, DepthSample)
    assert (sample.key, sample.labelled) == ("rgb/0001.png", True)
    (root / "rgb/0001.png").unlink()
    assert isinstance(dataset[0, 1], LoadFailure)
    plain = load_source(root / "rgb")
    unlabelled = dataset_of(plain)[0, 0]
    assert isinstance(unlabelled, DepthSample)
    assert not unlabelled.labelled
    assert not unlabelled.depth.any()


def test_eval_items(make_pairs) -> None:
    root = make_pairs(4, size=(50, 70), stored=20000)
    np.save(root / "depth/0001.npy", np.full((100, 140), 5000.0))
    (root / "depth/0001.png").unlink()
    (root / "rgb/0002.png").write_bytes(b"junk")
    (root / "val.txt").write_text("".join(f"rgb/000{n}.png {d}\n" for n, d in enumerate(
        ["depth/0000.png", "depth/0001.npy", "depth/0002.png", ""]
    )))  # fmt: skip
    (root / "data.yaml").write_text("val: val.txt")
    source = load_source(root)
    alone, shared = (list(eval_loader(source.val, source, WORKING, workers)) for workers in (0, 2))
    for one, other in zip(alone, shared, strict=True):
        assert torch.equal(one.image, other.image)
        assert (one.key, one.placement, one.error) == (other.key, other.placement, other.error)
        np.testing.assert_array_equal(one.depth, other.depth)
    assert [item.key for item in alone] == [f"rgb/000{n}.png" for n in range(4)]

    fitted, placement = fit(cv2.imread(str(root / "rgb/0000.png"))[..., ::-1], WORKING)
    np.testing.assert_allclose(alone[0].image[0].permute(1, 2, 0).numpy() * 255, fitted, atol=1e-3)
    assert alone[0].placement == placement
    assert alone[0].depth is not None
    assert (alone[0].depth == 20).all()  # beyond max_depth: the protocol decides, not the loader
    assert alone[1].depth is not None
    assert (alone[1].depth.shape, alone[1].placement.original) == ((100, 140), (50, 70))
    assert str(root / "rgb/0002.png") in str(alone[2].error)
    assert (alone[2].image.shape, alone[2].depth) == ((1, 3, 0, 0), None)
    assert (alone[3].depth, alone[3].error) == (None, None)


def test_workers_leave_ctrl_c_to_the_parent(make_pairs) -> None:
    """A SIGINT to a worker, as a terminal sends to the whole group, must not end the run."""
    import os
    import signal

    source = load_source(make_pairs(10))
    dataset = dataset_of(source)
    batches = iter(train_loader(dataset, TrainBatches(Order([len(dataset)], 5), 3, 0, 30), 1))
    next(batches)
    for worker in batches._workers:  # type: ignore[attr-defined]
        os.kill(worker.pid, signal.SIGINT)
    assert sum(len(batch) for batch in batches) == 29 * 3


def test_items_outside_the_root_are_called_by_their_whole_path(make_pairs, tmp_path: Path) -> None:
    source = load_source(make_pairs(2))
    outside = DataSource("other", tmp_path / "elsewhere", source.train, ())
    assert outside.key(source.train[0]) == source.train[0].image.as_posix()  # two folders may hold one name
