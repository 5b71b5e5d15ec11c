"""The start of a student whose backbone is brought to acclimated features: see `models/adapters.py`, and for a random
backbone `models/least_squares.py`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch

from disdepth_cli.config import DistillConfig
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.adapters import AdaptedEncoder
from disdepth_cli.method.least_squares import start_by_least_squares
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.observer import Observer
from disdepth_cli.types import DepthBatch, FeatureMaps

ADAPTING_BATCHES = 24  # at most, of the run's first; least squares of some hundred channels need no more

STARTING_BATCHES = 60  # at most: a block's least squares has up to some thousand unknowns a channel


def bring_near(
    student: DepthStudent,
    acclimated: AcclimatedTeacher,
    first: Callable[[int], Iterable[DepthBatch]],
    config: DistillConfig,
    goes_on: bool,
    observers: Sequence[Observer],
) -> None:
    """Whatever of the two below the options ask for. first: at most so many of the run's first batches, each time anew.

    goes_on: the run has a state, which holds what its backbone started from.
    """
    if starts_backbone(config) and not goes_on:
        start_backbone(student, acclimated, first(STARTING_BATCHES), observers)
    if has_adapters(config):
        adapt(student, acclimated, first(ADAPTING_BATCHES))


def is_random_start(config: DistillConfig) -> bool:
    """Whether the backbone has no pretrained weights."""
    return not config.pretrained and config.student_weights is None


def starts_backbone(config: DistillConfig) -> bool:
    """Whether a random backbone is solved for the acclimated features before training."""
    solved, ghost = config.init_backbone == "least-squares", config.feature_target == "ghost"
    return config.distill and is_random_start(config) and solved and ghost and config.feature_weight > 0


@torch.no_grad()
def start_backbone(
    student: DepthStudent, acclimated: AcclimatedTeacher, batches: Iterable[DepthBatch], observers: Sequence[Observer]
) -> None:
    """Solve a random backbone's blocks for the acclimated features of some training batches; tell how near they are."""

    def pairs() -> Iterator[tuple[torch.Tensor, FeatureMaps]]:
        for batch in batches:
            if len(batch):
                batch = batch.to(student.mean.device)
                image, features = batch.image, acclimated(batch.image, batch.origin).features
                yield (image - student.mean) / student.std, acclimated.acclimation.encoder_stats.standardise(features)

    shares = start_by_least_squares(student.encoder, pairs())
    told = (
        f"explains {', '.join(f'{100 * share:.0f}' for share in shares)} % of the acclimated features, level by level"
    )
    for observer in observers:
        observer.on_note(f"backbone: started by least squares, {told}" if shares else "backbone: random")


def starts_from_ghost(config: DistillConfig) -> bool:
    """Whether the student's decoder starts from the ghost's weights.

    By default where the backbone has nothing of its own. A pretrained one gains more in a short training so, but loses
    in a long one: benchmarks/results/gain.md.
    """
    ghost = is_random_start(config) if config.init_decoder == "auto" else config.init_decoder == "ghost"
    return config.distill and ghost


def has_adapters(config: DistillConfig) -> bool:
    """Whether adapters bring the student's features to the acclimated ones, which its decoder understands."""
    understood = config.feature_target == "ghost" and config.feature_projection != "dropped"
    return understood and starts_from_ghost(config)


def bound_by_adapters(config: DistillConfig) -> bool:
    """Whether the feature loss compares what the adapters give, so that decoder and backbone are held to the ghost's.

    A backbone that starts at random gains most so. A pretrained one is held back by it: there the loss has projections
    of its own, which are dropped.
    """
    kind = config.feature_projection
    return has_adapters(config) and (kind == "folded" or (kind == "auto" and is_random_start(config)))


@torch.no_grad()
def adapt(student: DepthStudent, acclimated: AcclimatedTeacher, batches: Iterable[DepthBatch]) -> None:
    """Give the student's encoder adapters, fitted on some training batches; nothing else of it changes."""
    adapted = AdaptedEncoder(student.encoder).to(student.mean.device)
    looking = copy.deepcopy(student.encoder).train()  # normed by the batch, as in training; a copy's statistics move

    def pairs() -> Iterator[tuple[FeatureMaps, FeatureMaps]]:
        for batch in batches:
            if len(batch):
                batch = batch.to(student.mean.device)
                image = batch.image
                yield looking((image - student.mean) / student.std), acclimated(image, batch.origin).features

    adapted.fit(pairs())
    student.encoder = adapted
