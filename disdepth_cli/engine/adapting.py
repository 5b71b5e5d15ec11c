"""The start of a student whose backbone is translated into acclimated features: see `models/adapters.py`."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import torch

from disdepth_cli.config import DistillConfig
from disdepth_cli.engine.acclimated import AcclimatedTeacher
from disdepth_cli.models.adapters import AdaptedEncoder
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.types import DepthBatch, FeatureMaps

ADAPTING_BATCHES = 24  # at most, of the run's first; least squares of some hundred channels need no more


def has_adapters(config: DistillConfig) -> bool:
    """Whether adapters bring the student's features to the acclimated ones, which its decoder understands."""
    folded, ghost = config.feature_projection == "folded", config.feature_target == "ghost"
    return config.distill and folded and ghost and config.init_decoder == "ghost"


@torch.no_grad()
def adapt(student: DepthStudent, acclimated: AcclimatedTeacher, batches: Iterable[DepthBatch]) -> None:
    """Give the student's encoder adapters, fitted on some training batches; nothing else of it changes."""
    adapted = AdaptedEncoder(student.encoder).to(student.mean.device)
    looking = copy.deepcopy(student.encoder).train()  # normed by the batch, as in training; a copy's statistics move

    def pairs() -> Iterator[tuple[FeatureMaps, FeatureMaps]]:
        for batch in batches:
            if len(batch):
                image = batch.to(student.mean.device).image
                yield looking((image - student.mean) / student.std), acclimated(image).features

    adapted.fit(pairs())
    student.encoder = adapted
