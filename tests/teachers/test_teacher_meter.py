"""A real network from its authors' repository through an adapter: METER, which takes one size that is not square."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from disdepth_cli import evaluate
from disdepth_cli.config import AugmentConfig
from disdepth_cli.data.batches.loader import TrainDataset
from disdepth_cli.data.batches.views import TrainView, default_crop
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.scoring.score import protocol_of
from disdepth_cli.scoring.teacher_inputs import origins_of
from disdepth_cli.teachers import load_teacher
from disdepth_cli.types import StoredBatch
from disdepth_cli.working_size import WorkingSize

ADAPTER = Path(__file__).parent / "meter_adapter.py"


@pytest.fixture
def meter(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if not (real_data / "teachers" / "meter_nyu_xxs").is_dir():
        pytest.skip("METER is not in the test data")
    monkeypatch.setenv("DISDEPTH_TEST_DATA", str(real_data))
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))
    return f"{ADAPTER}:meter"


def test_it_scores_what_it_scores_without_us(meter: str, real_data: Path) -> None:
    """Against figures that were computed apart from this project, on 109 images of places that METER has not seen."""
    if not (real_data / "nyu_place").is_dir():
        pytest.skip("nyu_place is not in the test data")
    scores = evaluate(model=meter, data=str(real_data / "nyu_place" / "data.yaml"), baselines=False, device="cpu")
    assert scores["images"] == 109
    assert scores["abs_rel"] == pytest.approx(0.1480, rel=0.01)
    assert scores["rmse"] == pytest.approx(0.5009, rel=0.01)


def test_a_training_view_has_the_metres_of_the_whole_image(meter: str, real_data: Path) -> None:
    """Stretched to its size, a view without NYU's frame would seem one and a half times as far."""
    source = load_source(real_data / "nyu_labeled" / "data.yaml")
    border, working = protocol_of(source).training_box, WorkingSize(240, 320)
    view = TrainView(AugmentConfig(), default_crop(working, border, (480, 640)), working, border, 0, 1e-3, 10.0)
    teacher = load_teacher(meter)
    dataset = TrainDataset(source.train, source, view, origins_of([teacher]))
    cut, stretched = [], []
    for index in range(0, len(source.train), 60):
        sample = StoredBatch.collate([dataset[(0, index)]]).to(torch.device("cpu"))
        with torch.no_grad():
            for ratios, depth in (
                (cut, teacher(sample.image, sample.origin).depth),
                (stretched, teacher(sample.image).depth),
            ):
                ratios.append(float((depth / sample.depth)[sample.valid].median()))
    assert torch.tensor(cut).median() == pytest.approx(1.0, abs=0.05)
    assert torch.tensor(stretched).median() > 1.3
