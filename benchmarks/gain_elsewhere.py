"""The students of the bench on images of another camera and place, which no arm was trained on.

    python benchmarks/gain_elsewhere.py benchmarks/results/gain.csv WORK other.yaml TEACHER

For every row of gain.csv whose run folder is in WORK, what `disdepth evaluate` says of its student on the val images
of other.yaml. Rows are kept in gain_elsewhere.csv, in the columns of gain.csv; the tables are printed. An arm that
was given those very images without their depth has been trained on them after all: read its row so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from gain import COLUMNS, METRICS, Run, append, report, rows_of


def main(
    table: Annotated[Path, typer.Argument(help="CSV of benchmarks/gain.py")],
    work: Annotated[Path, typer.Argument(help="its --work")],
    data: Annotated[Path, typer.Argument(help="data.yaml of the other images; its val is scored")],
    teacher: Annotated[str, typer.Argument(help="Hub id or local folder")],
    out: Annotated[Path, typer.Option(help="CSV of the results")] = Path("benchmarks/results/gain_elsewhere.csv"),
) -> None:
    """Score the students that have no row yet, then print the tables."""
    there = {tuple(row[name] for name in COLUMNS[:4]) for row in rows_of(out)}

    @cache
    def metrics(model: str) -> dict[str, float]:
        command = [sys.executable, "-m", "disdepth_cli", "evaluate", model, "--data", str(data)]
        done = subprocess.run(
            [*command, "--offline", "--no-teacher", "--quiet", "--json"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    for row in rows_of(table):
        run = Run(row["student"], row["arm"], int(row["seed"]), int(row["epochs"]), int(row["steps"]))
        student = work / run.folder / "student.safetensors"
        if run.key in there or not student.is_file():
            continue
        ghosts = sorted(work.glob(f"acclimated-{run.student}-*"))
        scores = {metric: f"{metrics(str(student))[metric]:.5f}" for metric in METRICS}
        models = {"teacher_rmse": teacher, "ghost_rmse": str(ghosts[0])}
        append(out, row | scores | {name: f"{metrics(model)['rmse']:.5f}" for name, model in models.items()})
    report(out)


if __name__ == "__main__":
    typer.run(main)
