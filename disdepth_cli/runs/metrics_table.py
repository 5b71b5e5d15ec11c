"""metrics.csv of a run."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

from disdepth_cli.errors import DisdepthError
from disdepth_cli.files import disk_errors, write_atomic
from disdepth_cli.reading import read_bytes, reason


class MetricsTable:
    """metrics.csv: step, epoch, split and named values. Columns may be added as the run goes on."""

    def __init__(self, file: Path, upto_step: int, warn: Callable[[str], object]) -> None:
        """Keep the rows of an earlier part of the run up to `upto_step`; later ones will be made again.

        A last row that a kill has cut off is dropped. warn: is told where the file is gone, or damaged and put aside.
        """
        self.file = file
        self.rows: list[dict[str, str]] = []
        if file.exists():
            try:
                self.rows = [row for row in _whole_rows(file) if int(row["step"]) <= upto_step]
            except (DisdepthError, ValueError, csv.Error) as error:
                self._put_aside(error, warn)
        elif upto_step:
            warn(f"{file}: is gone; a new one begins")
        self._write_all()

    def _put_aside(self, error: Exception, warn: Callable[[str], object]) -> None:
        names = (self.file.with_name(f"{self.file.stem}.damaged{n or ''}{self.file.suffix}") for n in itertools.count())
        aside = next(name for name in names if not name.exists())
        with disk_errors(self.file):
            self.file.rename(aside)
        warn(f"{self.file}: is damaged ({reason(error)}); it is {aside.name} now, and a new one begins")

    def add(self, step: int, epoch: int, split: str, values: Mapping[str, float]) -> None:
        """Append a row."""
        row = {"step": str(step), "epoch": str(epoch), "split": split} | {k: f"{v:.6g}" for k, v in values.items()}
        self.rows.append(row)
        if set(row) - set(self.columns):
            self._write_all()
            return
        with disk_errors(self.file), open(self.file, "a", newline="", encoding="utf-8") as handle:
            csv.DictWriter(handle, self.columns).writerow(row)

    def _write_all(self) -> None:
        self.columns = list(dict.fromkeys(["step", "epoch", "split", *(name for row in self.rows for name in row)]))

        def write(temporary: Path) -> None:
            with open(temporary, "w", newline="", encoding="utf-8", errors="backslashreplace") as handle:
                table = csv.DictWriter(handle, self.columns, restval="")
                table.writeheader()
                table.writerows(self.rows)

        write_atomic(self.file, write)


def _whole_rows(file: Path) -> list[dict[str, str]]:
    """The rows of a table, without a last one that has no end.

    Raises:
        ValueError: it is no such table.
    """
    text = read_bytes(file).decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1], newline=""), strict=True))
    if any(None in row or None in row.values() for row in rows) or not text.startswith("step,epoch,split"):
        raise ValueError("a row has too many or too few fields")
    return rows
