"""The start of a student whose backbone is brought to acclimated features: see `student_projections`, and for a random
backbone `least_squares`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from disdepth_cli.config.distilled_student import DistilledStudentOptions
from disdepth_cli.config.training import MethodOptions
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.least_squares import start_by_least_squares
from disdepth_cli.method.student_projections import AdaptedEncoder
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.observer import Observer
from disdepth_cli.types import FeatureMaps, StoredBatch

ADAPTING_BATCHES = 24  # at most, of the run's first; least squares of some hundred channels need no more

STARTING_BATCHES = 60  # at most: a block's least squares has up to some thousand unknowns a channel


@dataclass(frozen=True)
class StudentStart:
    """What a student starts from, as its options settle it.

    random: the backbone has no trained weights, of timm or of another student. solved: such a backbone is solved for
    the acclimated features. from_ghost: the decoder starts from the ghost's weights; by default where the backbone has
    nothing of its own. A trained one gains more in a short training so, but loses in a long one. adapted: adapters
    bring the backbone's features to the acclimated ones, which that decoder understands. bound: the feature loss
    compares what the adapters give, so that decoder and backbone are held to the ghost's. A backbone that starts at
    random gains most so; a trained one is held back: there the loss has projections of its own, which are dropped.
    """

    random: bool
    solved: bool
    from_ghost: bool
    adapted: bool
    bound: bool

    @classmethod
    def of(cls, student: DistilledStudentOptions, method: MethodOptions) -> StudentStart:
        """The start that the options ask for; a control (`distill` off) has none of the teacher's."""
        random = not student.pretrained and student.weights is None and student.init is None
        to_ghost = method.feature_target == "ghost"
        solved = method.distill and random and method.init_backbone == "least-squares" and to_ghost
        from_ghost = method.distill and (random if method.init_decoder == "auto" else method.init_decoder == "ghost")
        projection = method.feature_projection
        adapted = from_ghost and to_ghost and projection != "dropped"
        bound = adapted and (projection == "folded" or (projection == "auto" and random))
        return cls(random, solved and method.feature_weight > 0, from_ghost, adapted, bound)


def bring_near(
    student: DepthStudent,
    acclimated: AcclimatedTeacher,
    first: Callable[[int], Iterable[StoredBatch]],
    start: StudentStart,
    goes_on: bool,
    observer: Observer,
) -> None:
    """Whatever of the two below the start asks for. first: at most so many of the run's first batches, each time anew.

    goes_on: the run has a state, which holds what its backbone started from.
    """
    if start.solved and not goes_on:
        start_backbone(student, acclimated, first(STARTING_BATCHES), observer)
    if start.adapted:
        adapt(student, acclimated, first(ADAPTING_BATCHES))


@torch.no_grad()
def start_backbone(
    student: DepthStudent, acclimated: AcclimatedTeacher, batches: Iterable[StoredBatch], observer: Observer
) -> None:
    """Solve a random backbone's blocks for the acclimated features of some training batches; tell how near they are."""

    def pairs() -> Iterator[tuple[torch.Tensor, FeatureMaps]]:
        for batch in batches:
            if len(batch):
                moved = batch.to(student.mean.device)
                image, features = moved.image, acclimated(moved.image, moved.origin).features
                yield (image - student.mean) / student.std, acclimated.acclimation.encoder_stats.standardise(features)

    shares = start_by_least_squares(student.encoder, pairs())
    told = (
        f"explains {', '.join(f'{100 * share:.0f}' for share in shares)} % of the acclimated features, level by level"
    )
    observer.on_note(f"backbone: started by least squares, {told}" if shares else "backbone: random")


@torch.no_grad()
def adapt(student: DepthStudent, acclimated: AcclimatedTeacher, batches: Iterable[StoredBatch]) -> None:
    """Give the student's encoder adapters, fitted on some training batches; nothing else of it changes."""
    adapted = AdaptedEncoder(student.encoder).to(student.mean.device)
    looking = copy.deepcopy(student.encoder).train()  # normed by the batch, as in training; a copy's statistics move

    def pairs() -> Iterator[tuple[FeatureMaps, FeatureMaps]]:
        for batch in batches:
            if len(batch):
                moved = batch.to(student.mean.device)
                image = moved.image
                yield looking((image - student.mean) / student.std), acclimated(image, moved.origin).features

    adapted.fit(pairs())
    student.encoder = adapted
