"""Does distillation beat the control, by how much, and which part of it does? One row of a CSV a run.

    python benchmarks/gain.py data.yaml TEACHER --weights tf_efficientnet_lite0.safetensors --work WORK
    python benchmarks/gain.py --report --of data=rooms --of scored_on=other-rooms --of defaults=0.1.0

Students: EfficientNet-Lite0 with ImageNet weights in every arm; MobileNetV2 and ResNet-18 from a random start. All arms
of a student have equal steps, equal views and the same seeds, and are scored at their last step (averaged weights), so
that no arm is chosen on val. The teacher looks at each of `--views` views of an image once, for all runs together. A
run that has its row is not made again; one that was stopped goes on. `--report` prints the tables.

All rows are in one table. Its first columns say what a row is of; `--of COLUMN=VALUE` chooses rows by any column:

    data        what the student was trained on: nyu (NYU Depth V2, labelled train half) or rooms (rendered rooms)
    labels      number of training images with depth
    scored_on   images of the figures: nyu (105 of other scenes), kitchen (50 frames of 7-Scenes), rooms (40 of val),
                other-rooms (200 of another seed), place (109 of NYU's test half)
    teacher     nyu-vit-s (trained on the 690 NYU pairs), tiny (the quickstart's), rooms-vit-s (nyu-vit-s, trained on),
                meter (METER-XXS, trained by its authors on frames of NYU's training scenes)
    defaults    version of disdepth whose defaults the arms add to; older: before 0.1.0, learned-attention: the last
                before it; 0.1.0-small: at 120x160; 0.1.0-small-strong-views: the same with stronger zoom and colours
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from threading import Lock
from typing import Annotated

import typer
from scipy.stats import t as student_t

import disdepth_cli
from disdepth_cli.config.types import METRICS

SERIES = ("data", "labels", "scored_on", "teacher", "defaults")
"""Columns that say what a row is of. Rows that agree in them are compared."""
KEY = (*SERIES, "student", "arm", "seed", "epochs")
COLUMNS = (*KEY, "steps", *METRICS, "seconds", "teacher_rmse", "ghost_rmse", "options")
TABLE = Path("benchmarks/results/gain.csv")
BRANCHED = ("--lg-conv", "auto")
RAW = ("--feature-target", "teacher", "--init-decoder", "random", "--attention", "uniform")
ARMS: dict[str, tuple[str, ...]] = {
    "control": ("--no-distill",),
    "+ LG-Conv": ("--no-distill", *BRANCHED),
    "+ output": (*BRANCHED, "--feature-weight", "0", "--output-target", "teacher", "--init-decoder", "random"),
    "+ raw features": (*BRANCHED, *RAW, "--output-target", "teacher"),
    "+ ghost": (*BRANCHED, "--attention", "uniform"),
    "+ attention": (*BRANCHED, "--attention", "learned"),
    "full": (),
    "full, learned attention": ("--attention", "learned"),
    "full, the ghost's errors": ("--attention", "ghost-error"),
    "full, FGD's attention": ("--attention", "fgd"),
    "full, ghost's decoder": ("--init-decoder", "ghost"),
    "full, ghost's decoder, teacher's depth": ("--init-decoder", "ghost", "--output-target", "teacher"),
    "full, bound": ("--init-decoder", "ghost", "--feature-projection", "folded"),
    "full, random backbone": ("--init-backbone", "random"),
    "full + unlabelled": (),
}
"""What an arm adds to the recipe of all. Up to "+ attention", which is the paper's, each has what the one before it
has, or its successor; "full" is what is on by default."""
OF_PRETRAINED = (
    "full, ghost's decoder",
    "full, ghost's decoder, teacher's depth",
    "full, bound",
    "full + unlabelled",
)
RANDOM_START = tuple(arm for arm in ARMS if arm not in OF_PRETRAINED)
STUDENTS = {
    "efficientnet-lite0": tuple(arm for arm in ARMS if arm != "full, random backbone"),
    "mobilenetv2": RANDOM_START,
    "resnet18": RANDOM_START,
}


@dataclass(frozen=True)
class Run:
    """One training."""

    student: str
    arm: str
    seed: int
    epochs: int
    steps: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Its row's columns after those of the series."""
        return self.student, self.arm, str(self.seed), str(self.epochs)

    @property
    def folder(self) -> str:
        """Name of its run folder."""
        return re.sub(r"[^\w.-]", "", "-".join(self.key))


@dataclass
class Bench:
    """Where things are, and what all runs share. series: their rows' first columns. tokens: whether an arm wants those
    of learned attention trained."""

    data: Path
    teacher: str
    work: Path
    table: Path
    series: dict[str, str]
    weights: Path | None
    unlabelled: Path | None
    acclimation: Path
    views: int
    jobs: int
    common: tuple[str, ...]
    tokens: bool
    lock: Lock

    def start(self, student: str) -> list[str]:
        """What a student starts from: its weights where they are given, a random start else."""
        if student == "efficientnet-lite0" and self.weights is not None:
            return ["--student-weights", str(self.weights)]
        return ["--no-pretrained"]

    def disdepth(self, verb: str, place: Path, *arguments: str) -> dict:
        """Run a command in a process of its own, or go on with it; its report."""
        settled = ["--views", str(self.views), "--view-seed", "0", "--teacher-cache", str(self.work / "teacher")]
        command = [sys.executable, "-m", "disdepth_cli", verb, "-o", str(place), "--offline", "--quiet", "--json"]
        resume = ["--resume"] if (place / "config.yaml").is_file() else [*arguments, *settled, *self.common]
        alone = verb == "acclimate"
        threads = str(max((os.cpu_count() or 1) // (1 if alone else self.jobs), 1))
        env = os.environ | {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
        done = subprocess.run([*command, *resume], capture_output=True, text=True, env=env, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def plan(self, epochs: int) -> dict:
        """What so many epochs of the labelled images are; every arm gets as many steps."""
        arguments = ["--data", str(self.data), "--no-distill", "--no-pretrained", "--epochs", str(epochs), "--dry-run"]
        return self.disdepth("distill", self.work / "plan", *arguments)["plan"]

    def acclimated(self, student: str) -> tuple[Path, dict]:
        """The teacher's acclimation to a student: seed 0, one for all its runs."""
        place = self.work / f"acclimated-{student}-{self.acclimation.stem}"
        report = place / "report.json"
        if not report.is_file():
            arguments = ["--teacher", self.teacher, "--student", student, "--data", str(self.acclimation)]
            arguments += ["--attention-steps", "100"] if self.tokens else []
            self.disdepth("acclimate", place, *arguments)
        return place, json.loads(report.read_text())

    def one(self, run: Run) -> None:
        """Train one student and write its row."""
        data = self.unlabelled if run.arm.endswith("unlabelled") else self.data
        assert data is not None
        teacher, acclimation = self.acclimated(run.student)
        arguments = ["--student", run.student, *self.start(run.student), "--data", str(data), *ARMS[run.arm]]
        if "--no-distill" not in ARMS[run.arm]:
            arguments += ["--teacher", str(teacher)]
        arguments += ["--max-steps", str(run.steps), "--seed", str(run.seed), "--validate-every", str(run.epochs)]
        report = self.disdepth("distill", self.work / run.folder, *arguments)
        row = self.series | dict(zip(KEY[len(SERIES) :], run.key, strict=True))
        row |= {"steps": report["steps"], "seconds": report["seconds"]}
        row |= {metric: f"{report['final'][metric]:.5f}" for metric in METRICS}
        row["teacher_rmse"] = f"{acclimation['teacher_metrics']['rmse']:.5f}"
        row["ghost_rmse"] = f"{acclimation['ghost_metrics']['rmse']:.5f}"
        row["options"] = " ".join((*ARMS[run.arm], "--views", str(self.views), *self.common))
        with self.lock:
            append(self.table, row)
            print(f"{' '.join(run.key)}: rmse {row['rmse']} abs_rel {row['abs_rel']} in {row['seconds']} s", flush=True)


def append(table: Path, row: dict, columns: tuple[str, ...] = COLUMNS) -> None:
    """Add a row; the file is made where there is none."""
    new = not table.is_file()
    with open(table, "a", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def rows_of(table: Path, of: Mapping[str, str]) -> list[dict[str, str]]:
    """The rows there are that have these values in these columns."""
    if not table.is_file():
        return []
    with open(table, newline="", encoding="utf-8") as handle:
        return [row for row in csv.DictReader(handle) if all(row[name] == value for name, value in of.items())]


def columns(described: list[str], known: Sequence[str] = COLUMNS) -> dict[str, str]:
    """The texts COLUMN=VALUE of `--of`."""
    pairs = [text.partition("=") for text in described]
    if wrong := [name for name, equals, _ in pairs if not equals or name not in known]:
        raise typer.BadParameter(f"--of {wrong[0]}: is to be COLUMN=VALUE, the column one of {', '.join(known)}")
    return {name: value for name, _, value in pairs}


def interval(values: list[float]) -> tuple[float, float]:
    """Student's t, 95 %, of the mean of a few seeds; unknown for one."""
    if len(values) < 2:
        return math.nan, math.nan
    half = student_t.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def report(rows: list[dict[str, str]]) -> None:
    """Mean and standard deviation over seeds of every arm, and its paired difference to the control, as Markdown."""
    compared = (*SERIES, "student", "epochs")
    for series in dict.fromkeys(tuple(row[name] for name in compared) for row in rows):
        mine = [row for row in rows if tuple(row[name] for name in compared) == series]
        data, labels, scored_on, teacher_name, defaults, student, epochs = series
        teacher = float(mine[0]["teacher_rmse"])
        ghost = float(mine[0]["ghost_rmse"])
        print(f"\n{data}, {labels} labels; scored on {scored_on}; teacher {teacher_name}; defaults {defaults}")
        print(f"{student}, {epochs} epochs; teacher {teacher:.3f}, through the ghost {ghost:.3f}\n")
        print("| arm | seeds | abs_rel | rmse | delta1 | silog | rmse, control | 95 % | of the way to the teacher |")
        print("|---|---|---|---|---|---|---|---|---|")
        for arm in dict.fromkeys(row["arm"] for row in mine):
            some = [row for row in mine if row["arm"] == arm]
            print("| " + " | ".join([arm, str(len(some)), *_spread(some), *_against(mine, arm, teacher)]) + " |")


def _spread(rows: list[dict[str, str]]) -> list[str]:
    columns = []
    for metric in ("abs_rel", "rmse", "delta1", "silog"):
        values = [float(row[metric]) for row in rows]
        columns.append(f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else ""))
    return columns


@dataclass(frozen=True)
class Gain:
    """Means of a metric over the seeds that an arm shares with its control. change, low, high: of the difference,
    paired by seed, with its 95 % interval [% of the control]; unknown ends for one seed."""

    control: float
    arm: float
    change: float
    low: float
    high: float


def paired(rows: list[dict[str, str]], arm: str, metric: str = "rmse") -> Gain | None:
    """An arm against the control in rows of one series, student and budget; None where they share no seed."""
    of_arm, of_control = (
        {row["seed"]: float(row[metric]) for row in rows if row["arm"] == x} for x in (arm, "control")
    )
    seeds = [seed for seed in of_arm if seed in of_control]
    if not seeds:
        return None
    before, after = (mean(values[seed] for seed in seeds) for values in (of_control, of_arm))
    differences = [of_arm[seed] - of_control[seed] for seed in seeds]
    low, high = (100 * bound / before for bound in interval(differences))
    return Gain(before, after, 100 * mean(differences) / before, low, high)


def _against(rows: list[dict[str, str]], arm: str, teacher: float) -> list[str]:
    gain = paired(rows, arm)
    if gain is None or arm == "control":
        return ["", "", ""]
    way = gain.change * gain.control / (teacher - gain.control)
    shown = f"{way:.0f} %" if gain.control > teacher else "the teacher is no better"
    spread = "one seed" if math.isnan(gain.low) else f"{gain.low:+.1f} to {gain.high:+.1f} %"
    return [f"{gain.change:+.1f} %", spread, shown]


def with_arms(described: list[str]) -> dict[str, tuple[str, ...]]:
    """The students' arms, and those described on the command line, which become known by their name."""
    more = {}
    for one in described:
        name, equals, options = one.partition("=")
        if not equals or name in ARMS:
            raise typer.BadParameter(f"--arm {one!r}: is to be NAME=OPTIONS, and the name a new one")
        more[name] = tuple(shlex.split(options))
    ARMS.update(more)
    return {student: (*arms, *more) for student, arms in STUDENTS.items()}


def asked_for(arms_of: dict[str, tuple[str, ...]], only: list[str]) -> dict[str, list[str]]:
    """The arms of each student that `only` names; all where it names none."""

    def asked(student: str, arm: str) -> bool:
        return not only or student in only or f"{student}/{arm}" in only

    return {student: [arm for arm in arms if asked(student, arm)] for student, arms in arms_of.items()}


def main(
    data: Annotated[Path | None, typer.Argument(help="data.yaml of the labelled images")] = None,
    teacher: Annotated[str | None, typer.Argument(help="Hub id or local folder")] = None,
    of: Annotated[list[str] | None, typer.Option(help="COLUMN=VALUE of the rows, may be repeated")] = None,
    work: Annotated[Path, typer.Option(help="folder of the runs and of the teacher's kept outputs")] = Path(
        "runs/gain"
    ),
    table: Annotated[Path, typer.Option(help="CSV of the results")] = TABLE,
    weights: Annotated[Path | None, typer.Option(help="ImageNet weights of EfficientNet-Lite0")] = None,
    unlabelled: Annotated[Path | None, typer.Option(help="data.yaml with `unlabeled:` images for that arm")] = None,
    acclimate_on: Annotated[Path | None, typer.Option(help="data.yaml of the teacher's acclimation, else DATA")] = None,
    epochs: Annotated[list[int] | None, typer.Option(help="passes over the labelled images; may be repeated")] = None,
    seeds: int = 3,
    views: Annotated[int, typer.Option(help="different views of an image")] = 5,
    jobs: Annotated[int, typer.Option(help="runs at a time, each with its share of the cores")] = 2,
    only: Annotated[list[str] | None, typer.Option(help="STUDENT/ARM, may be repeated")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="further option of all runs, such as --option=--lr=1e-3")
    ] = None,
    arm: Annotated[
        list[str] | None, typer.Option(help="an arm more, NAME=OPTIONS of disdepth distill, may be repeated")
    ] = None,
    report_only: Annotated[bool, typer.Option("--report", help="print the tables of the rows there are")] = False,
) -> None:
    """Make the runs that have no row yet, then print the tables."""
    if report_only:
        report(rows_of(table, columns(of or [])))
        return
    if data is None or teacher is None:
        raise typer.BadParameter("give DATA and TEACHER, or --report")
    asked = asked_for(with_arms(arm or []), only or [])
    acclimation = acclimate_on or data
    tokens = any("learned" in ARMS[name] for arms in asked.values() for name in arms)
    common = tuple(option or ())
    series = columns(of or [], SERIES)
    places = (data, teacher, work, table)
    bench = Bench(*places, series, weights, unlabelled, acclimation, views, jobs, common, tokens, Lock())
    plans = {count: bench.plan(count) for count in epochs or [10]}
    bench.series = series_of(data, teacher, next(iter(plans.values()))) | series
    there = {tuple(row[name] for name in KEY[len(SERIES) :]) for row in rows_of(table, bench.series)}
    wanted = [
        Run(student, arm, seed, count, plan["steps"])
        for count, plan in plans.items()
        for student, arms in asked.items()
        for seed in range(seeds)
        for arm in arms
    ]
    missing = [run for run in wanted if run.key not in there and (unlabelled or not run.arm.endswith("unlabelled"))]
    for student in dict.fromkeys(run.student for run in missing):
        bench.acclimated(student)
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(bench.one, missing))
    report(rows_of(table, bench.series))


def series_of(data: Path, teacher: str, plan: dict) -> dict[str, str]:
    """The first columns of a run's row, as far as `--of` does not name them: folders' names, and scored on its val."""
    name = data.resolve().parent.name
    labels = plan["train_images"] - plan["unlabelled_images"]
    known = {"data": name, "labels": str(labels), "scored_on": name, "teacher": Path(teacher).name}
    return known | {"defaults": disdepth_cli.__version__}


if __name__ == "__main__":
    typer.run(main)
