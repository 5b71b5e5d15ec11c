"""What a run leaves out on its way: files that cannot be read, steps whose loss or gradient is not finite."""

from __future__ import annotations

from collections.abc import Sequence

from disdepth_cli.config.parts import LoopOptions
from disdepth_cli.errors import DataError, TrainingError
from disdepth_cli.machine.processes import agreed, gather
from disdepth_cli.observer import Observer

SCALE_HALVINGS = 16  # from 65536, where a gradient scaler starts, to 1


class Skips:
    """Counts what was skipped, tells the observer, and ends the run where it is too much.

    corrupt: the files; steps: how many of them; in_a_row: how many up to now.
    """

    def __init__(self, options: LoopOptions, observer: Observer) -> None:
        self.options, self.observer = options, observer
        self.corrupt: list[str] = []
        self.steps, self.in_a_row = 0, 0

    def files(self, failures: Sequence[tuple[str, str]]) -> None:
        """Files that could not be read, each as (key, reason); those known already are left out.

        Raises:
            DataError: they are too many.
        """
        for key, reason in failures:
            if key in self.corrupt:
                continue
            self.corrupt.append(key)
            self._warn(f"skipped: {reason}")
            if len(self.corrupt) > self.options.max_corrupt:
                raise agreed(
                    DataError(
                        f"{len(self.corrupt)} training files cannot be read, more than --max-corrupt "
                        f"{self.options.max_corrupt}; the last: {reason}"
                    )
                )

    def step(self, number: int, keys: list[str], overflowed: bool) -> None:
        """A step that was not taken. overflowed: its loss is finite, and a gradient too large for float16.

        Raises:
            TrainingError: too many in a row.
        """
        self.in_a_row += 1
        self.steps += 1
        what = "float16 gradient" if overflowed else "loss"
        # A scaler starts high, and finds its scale by halving it at each step that overflows.
        most = self.options.max_nonfinite + (SCALE_HALVINGS if overflowed else 0)
        names = ", ".join(key for some in gather(keys) for key in some)
        self._warn(f"step {number}: non-finite {what}, step skipped; its files: {names}")
        if self.in_a_row >= most:
            raise agreed(
                TrainingError(
                    f"{self.in_a_row} steps in a row had a non-finite {what}, the last with {names}; lower --lr (now "
                    f"{self.options.lr:g}), use --precision fp32, or look at those files"
                )
            )

    def _warn(self, message: str) -> None:
        self.observer.on_warning(message)
