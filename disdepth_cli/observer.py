"""Who may watch a run: an `Observer` is told what happens; those that tell it know no more of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """One optimiser step: parts are the weighted loss parts and their sum `loss`; images are this step's."""

    step: int
    total: int
    epoch: int
    lr: float
    images: int
    parts: dict[str, float]


class Observer(Protocol):
    """What the loop tells of itself."""

    def on_start(self, done: int, total: int, steps_per_epoch: int) -> None: ...

    def on_step(self, progress: Progress) -> None: ...

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None: ...

    def on_image(self, done: int, total: int) -> None: ...

    def on_warning(self, message: str) -> None: ...

    def on_note(self, message: str) -> None: ...


class Silent:
    """Observes nothing; the others start from it."""

    def on_start(self, done: int, total: int, steps_per_epoch: int) -> None:
        pass

    def on_step(self, progress: Progress) -> None:
        pass

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        pass

    def on_image(self, done: int, total: int) -> None:
        pass

    def on_warning(self, message: str) -> None:
        pass

    def on_note(self, message: str) -> None:
        pass


SILENT = Silent()


class Observers:
    """Several observers as one: each is told everything, in order."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self.observers = tuple(observers)

    def on_start(self, done: int, total: int, steps_per_epoch: int) -> None:
        for observer in self.observers:
            observer.on_start(done, total, steps_per_epoch)

    def on_step(self, progress: Progress) -> None:
        for observer in self.observers:
            observer.on_step(progress)

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        for observer in self.observers:
            observer.on_validation(step, epoch, metrics, is_best)

    def on_image(self, done: int, total: int) -> None:
        for observer in self.observers:
            observer.on_image(done, total)

    def on_warning(self, message: str) -> None:
        for observer in self.observers:
            observer.on_warning(message)

    def on_note(self, message: str) -> None:
        for observer in self.observers:
            observer.on_note(message)


class Unrepeated:
    """Passes on what it is told to another observer, each note and warning once: several runs in one say much alike."""

    def __init__(self, to: Observer, validations: bool = True) -> None:
        self.to, self.validations = to, validations
        self.told: set[str] = set()

    def on_start(self, done: int, total: int, steps_per_epoch: int) -> None:
        self.to.on_start(done, total, steps_per_epoch)

    def on_step(self, progress: Progress) -> None:
        self.to.on_step(progress)

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        if self.validations:
            self.to.on_validation(step, epoch, metrics, is_best)

    def on_image(self, done: int, total: int) -> None:
        self.to.on_image(done, total)

    def on_warning(self, message: str) -> None:
        self._once(message, self.to.on_warning)

    def on_note(self, message: str) -> None:
        self._once(message, self.to.on_note)

    def _once(self, message: str, tell: Callable[[str], None]) -> None:
        if message not in self.told:
            self.told.add(message)
            tell(message)
