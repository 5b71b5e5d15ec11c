"""The students of the bench on images of another camera and place, which no arm was trained on.

    python benchmarks/gain_elsewhere.py WORK other.yaml TEACHER kitchen --of data=nyu --of defaults=0.1.0

For every row of gain.csv that `--of` chooses and whose run folder is in WORK, what `disdepth evaluate` says of its
student on the val images of other.yaml. The new rows differ in `scored_on`, here kitchen; the tables are printed. An
arm that was given those very images without their depth has been trained on them after all: read its row so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from gain import KEY, METRICS, SERIES, TABLE, Run, append, columns, report, rows_of


def main(
    work: Annotated[Path, typer.Argument(help="--work of benchmarks/gain.py")],
    data: Annotated[Path, typer.Argument(help="data.yaml of the other images; its val is scored")],
    teacher: Annotated[str, typer.Argument(help="Hub id or local folder")],
    scored_on: Annotated[str, typer.Argument(help="their name in the table")],
    of: Annotated[list[str], typer.Option(help="COLUMN=VALUE of the rows whose students are scored, may be repeated")],
    table: Annotated[Path, typer.Option(help="CSV of benchmarks/gain.py")] = TABLE,
) -> None:
    """Score the students that have no row yet, then print the tables."""
    chosen = columns(of)
    rows = [row for row in rows_of(table, chosen) if row["scored_on"] != scored_on]
    if len(series := {tuple(row[name] for name in SERIES) for row in rows}) != 1:
        raise typer.BadParameter(f"--of chooses {len(series)} series; choose one, since each has a folder of its own")
    elsewhere = {**dict(zip(SERIES, series.pop(), strict=True)), "scored_on": scored_on}
    there = {tuple(row[name] for name in KEY) for row in rows_of(table, elsewhere)}

    @cache
    def metrics(model: str) -> dict[str, float]:
        command = [sys.executable, "-m", "disdepth_cli", "evaluate", model, "--data", str(data)]
        done = subprocess.run(
            [*command, "--offline", "--no-teacher", "--quiet", "--json"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    for row in (row | elsewhere for row in rows):
        run = Run(row["student"], row["arm"], int(row["seed"]), int(row["epochs"]), int(row["steps"]))
        student = work / run.folder / "student.safetensors"
        if tuple(row[name] for name in KEY) in there or not student.is_file():
            continue
        ghosts = sorted(work.glob(f"acclimated-{run.student}-*"))
        scores = {metric: f"{metrics(str(student))[metric]:.5f}" for metric in METRICS}
        models = {"teacher_rmse": teacher, "ghost_rmse": str(ghosts[0])}
        append(table, row | scores | {name: f"{metrics(model)['rmse']:.5f}" for name, model in models.items()})
    report(rows_of(table, elsewhere))


if __name__ == "__main__":
    typer.run(main)
