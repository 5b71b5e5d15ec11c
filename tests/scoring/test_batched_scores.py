"""Validation on a GPU runs several images at once; the scores are those of one at a time."""

from __future__ import annotations

import shutil

import pytest

from disdepth_cli.data.sets.open import load_source
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.scoring.open_model import open_student
from disdepth_cli.scoring.score import protocol_of, score


def test_batches_score_as_single_images_do(rooms, tmp_path, monkeypatch):
    shutil.copytree(rooms.parent, tmp_path / "rooms")
    source = load_source(str(tmp_path / "rooms" / "data.yaml"))
    spoilt = source.train[5].image
    spoilt.write_bytes(b"")
    predictor, items = open_student("bundled", "cpu"), source.items("train")[:11]
    ran, whole = [], DepthPredictor.run

    def run(predictor, image, origin=None):
        ran.append(len(image))
        return whole(predictor, image, origin)

    monkeypatch.setattr(DepthPredictor, "run", run)
    alone = score(predictor, source, items, protocol_of(source))
    assert ran == [1] * 10
    ran.clear()
    monkeypatch.setattr(DepthPredictor, "at_once", 4)
    batched = score(predictor, source, items, protocol_of(source))
    assert ran == [4, 1, 4, 1]  # the sixth cannot be read, and what is left of ten is one
    assert list(batched.per_image) == list(alone.per_image) and batched.errors == alone.errors
    for key, metrics in alone.per_image.items():
        assert batched.per_image[key].as_dict() == pytest.approx(metrics.as_dict(), rel=1e-4)
