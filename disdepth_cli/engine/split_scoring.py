"""Validation by several processes: each scores a stretch of the images, and all know the whole."""

from __future__ import annotations

from collections.abc import Sequence

from disdepth_cli.across_ranks import world
from disdepth_cli.data.sources import DataItem, DataSource
from disdepth_cli.engine.inference import DepthPredictor
from disdepth_cli.engine.processes import from_all, rank
from disdepth_cli.engine.scoring import Scores, TeacherTruth, score
from disdepth_cli.evaluation.protocols import Protocol


def score_split(
    predictor: DepthPredictor,
    source: DataSource,
    items: Sequence[DataItem],
    protocol: Protocol,
    *,
    workers: int = 0,
    truth: TeacherTruth | None = None,
) -> Scores:
    """`scoring.score` of the items, in their order, shared among the processes of a run.

    Stretches, not every n-th image: one after the other they are the list again, images and errors alike. A process
    has the same stretch each time, so the teacher's depth that it keeps is of use.
    """
    if world() == 1:
        return score(predictor, source, items, protocol, workers=workers, truth=truth)
    begin, end = (len(items) * place // world() for place in (rank(), rank() + 1))
    mine = items[begin:end]
    parts = from_all(lambda: score(predictor, source, mine, protocol, workers=workers, truth=truth))
    whole = Scores()
    for part in parts:
        whole.per_image.update(part.per_image)
        whole.errors.extend(part.errors)
    return whole
