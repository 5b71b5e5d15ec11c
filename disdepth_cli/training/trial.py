"""Steps of a training that is not to be trained: what memory they take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from timm.utils import ModelEmaV3

from disdepth_cli.config.parts import LoopOptions
from disdepth_cli.observer import SILENT
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.loop.task import Task
from disdepth_cli.training.session import Session

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Trial:
    """What is trained, with weights that mean nothing, for steps that are tried. task: its step lies on the device."""

    task: Task
    data: TrainingData
    labelled_only: bool = False

    @property
    def images(self) -> int:
        """How many there are to train on."""
        labelled, without = self.data.source.counts()
        return labelled if self.labelled_only and labelled else labelled + without


def trial_session(data: TrainingData, loop: LoopOptions, accelerator: Accelerator) -> Session:
    """The session of a trial: it has no run folder, and nobody is told."""
    return Session(data, RunFolder(Path()), loop, accelerator, SILENT)


class TrialSteps:
    """Training steps of any size, whose updates are zero; with the memory of optimiser and averaged weights."""

    def __init__(self, trial: Trial, loop: LoopOptions, accelerator: Accelerator) -> None:
        self.trial, self.loop, self.accelerator = trial, loop, accelerator
        self.optimizer = torch.optim.AdamW(trial.task.groups, lr=0.0)
        self.ema = ModelEmaV3(trial.task.model) if loop.ema else None

    def __call__(self, size: int) -> None:
        """Take one with as many training images.

        Raises:
            RuntimeError: the device is full, among others.
        """
        data = replace(self.trial.data, workers=0, pin_memory=False)
        batch = next(data.batches(size, 0, 1, self.loop.seed, self.trial.labelled_only)(0, 1))
        if not len(batch):  # no file could be read, which the training itself will tell
            return
        self.trial.task.step.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self.accelerator.autocast():
            terms = self.trial.task.step(batch.to(self.accelerator.device))
        self.accelerator.backward(terms.total)
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.zero_()
        self.optimizer.step()
