"""Images that run together, as on a GPU: the same depth, in the same order, whatever lies between them."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from disdepth_cli import predict
from disdepth_cli.predictor import DepthPredictor


@pytest.fixture
def mixed(rooms, tmp_path):
    """Seven rooms, the third of another size and the fifth damaged."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number, room in enumerate(sorted((rooms.parent / "rgb").glob("*"))[:7]):
        shutil.copy(room, folder / f"{number}.png")
    cv2.imwrite(str(folder / "2.png"), cv2.imread(str(folder / "2.png"))[:, :80])
    (folder / "4.png").write_bytes(b"no image")
    return folder


def test_several_at_once_are_those_one_by_one(mixed, monkeypatch):
    one_by_one = predict(mixed, device="cpu", backend="torch")
    sizes, whole = [], DepthPredictor.run

    def run(self, image, *args):
        sizes.append(len(image))
        return whole(self, image, *args)

    monkeypatch.setattr(DepthPredictor, "run", run)
    monkeypatch.setattr(DepthPredictor, "at_once", 3)
    together = predict(mixed, device="cpu", backend="torch")
    assert sizes == [2, 1, 1, 2]  # 0 and 1, the other size, 3, then 5 and 6 after the damaged one
    assert [one.image.name for one in together.results] == ["0.png", "1.png", "2.png", "3.png", "5.png", "6.png"]
    assert len(together.errors) == 1 and "4.png" in together.errors[0]
    for one, other in zip(together.results, one_by_one.results, strict=True):
        assert one.image == other.image and one.depth.values.shape == other.depth.values.shape
        np.testing.assert_allclose(one.depth.values, other.depth.values, rtol=1e-4)
        assert one.unlike == pytest.approx(other.unlike, abs=0.011)
    assert len({one.unlike for one in together.results}) > 1
