"""metrics.csv of a run."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from disdepth_cli.files import disk_errors, write_atomic


class MetricsTable:
    """metrics.csv: step, epoch, split and named values. Columns may be added as the run goes on."""

    def __init__(self, file: Path, upto_step: int) -> None:
        """Keep the rows of an earlier part of the run up to `upto_step`; later ones will be made again."""
        self.file = file
        self.rows: list[dict[str, str]] = []
        if file.is_file():
            with open(file, newline="", encoding="utf-8") as handle:
                self.rows = [row for row in csv.DictReader(handle) if int(row["step"]) <= upto_step]
        self._write_all()

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
            with open(temporary, "w", newline="", encoding="utf-8") as handle:
                table = csv.DictWriter(handle, self.columns, restval="")
                table.writeheader()
                table.writerows(self.rows)

        write_atomic(self.file, write)
