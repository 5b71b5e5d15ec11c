"""Do slimmer heads and decoders of the student cost accuracy, and how much time do they save?

    python benchmarks/slim_heads.py latency
    python benchmarks/slim_heads.py train rooms/data.yaml TEACHER --weights lite0.safetensors --work WORK
    python benchmarks/slim_heads.py report

`latency` times the variants of one student, with random weights, in ONNX Runtime on one thread: interleaved in one
process, as CPU time, beside the present student. `train` makes one row of a CSV a run: each variant without a teacher
(control) and distilled, with equal steps, views and seeds, scored on val at its last step. A run that has its row is
not made again. Each variant has an acclimation of its own, since the ghost decoder is a copy of the student's decoder.
`report` prints the change of each variant against the present student, paired by seed, with its 95 % interval.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from gain import append, interval
from torch import nn

import disdepth_cli
from disdepth_cli.checkpoint.metadata import StudentArchitecture, save_checkpoint
from disdepth_cli.config.parts import STUDENTS
from disdepth_cli.config.types import METRICS
from disdepth_cli.exporting.exported import open_exported
from disdepth_cli.exporting.metadata import Wanted
from disdepth_cli.exporting.write import describe_student, write_student
from disdepth_cli.models.decoder import DepthDecoder
from disdepth_cli.models.student import build_student
from disdepth_cli.timing.clock import timed
from disdepth_cli.working_size import WorkingSize

TABLE = Path("benchmarks/results/slim_heads.csv")
SIZE = (240, 320)
STUDENT = "efficientnet-lite0"
PRESENT = "present"
KEY = ("data", "variant", "arm", "seed", "epochs")
COLUMNS = (*KEY, "steps", *METRICS, "seconds", "defaults", "options")


@dataclass(frozen=True)
class Variant:
    """What is slimmer. depthwise: each level's 3x3 convolution is a depth-wise 3x3 and a 1x1 one."""

    bins: int = 64
    channels: int = 64
    logits_kernel: int = 3
    depthwise: bool = False

    @property
    def options(self) -> list[str]:
        """The sizes that disdepth has options for."""
        return ["--bins", str(self.bins), "--decoder-channels", str(self.channels)]

    def slim(self, decoder: DepthDecoder) -> None:
        """Change what disdepth has no options for."""
        logits = decoder.head.logits
        if self.logits_kernel != 3:
            decoder.head.logits = nn.Conv2d(logits.in_channels, logits.out_channels, 1)
        for level in decoder.fuse if self.depthwise else ():
            assert isinstance(level, nn.Sequential)
            c = decoder.channels
            each = nn.Conv2d(c, c, 3, padding=1, groups=c, bias=False)
            level[0] = nn.Sequential(each, nn.Conv2d(c, c, 1, bias=False))


VARIANTS = {
    PRESENT: Variant(),
    "32 bins": Variant(bins=32),
    "1x1 logits": Variant(logits_kernel=1),
    "48 channels": Variant(channels=48),
    "depth-wise fuse": Variant(depthwise=True),
    "32 bins, 1x1 logits": Variant(bins=32, logits_kernel=1),
    "depth-wise fuse, 32 bins": Variant(bins=32, depthwise=True),
    "depth-wise fuse, 1x1 logits": Variant(logits_kernel=1, depthwise=True),
    "all but 48 channels": Variant(bins=32, logits_kernel=1, depthwise=True),
    "all": Variant(bins=32, channels=48, logits_kernel=1, depthwise=True),
}
ARMS = {"control": ["--no-distill"], "distilled": []}
app = typer.Typer(add_completion=False, help=__doc__)


def make(variant: Variant) -> None:
    """Let every decoder that is built in this process be of the variant."""
    build = DepthDecoder.__init__

    def slim(decoder: DepthDecoder, *arguments: Any, **named: Any) -> None:
        build(decoder, *arguments, **named)
        variant.slim(decoder)

    DepthDecoder.__init__ = slim  # type: ignore[method-assign]


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def disdepth(context: typer.Context, variant: str) -> None:
    """The command line of disdepth with students of a variant: what `train` starts."""
    make(VARIANTS[variant])
    sys.argv = ["disdepth", *context.args]
    from disdepth_cli.cli.app import main

    main()


@app.command()
def latency(
    rounds: Annotated[int, typer.Option(help="timed turns of each")] = 60,
    only: Annotated[list[str] | None, typer.Option(help="variant beside the present one, may be repeated")] = None,
) -> None:
    """Print one row a variant: parameters, ms of the processor, ratio to the present student."""
    names = [PRESENT, *(only or [name for name in VARIANTS if name != PRESENT])]
    image = np.random.default_rng(0).random((1, 3, *WorkingSize(*SIZE).padded(*SIZE)), np.float32)
    times: dict[str, list[float]] = {name: [] for name in names}
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{number}.onnx" for number, name in enumerate(names)}
        weights = {name: _export(VARIANTS[name], file) for name, file in files.items()}
        sessions = {name: open_exported(str(file), threads=1).session for name, file in files.items()}
        for turn in range(rounds + 5):
            for name, session in sessions.items():
                _, cpu = timed(partial(session.run, image))
                if turn >= 5:
                    times[name].append(cpu)
    print(f"{STUDENT} at {image.shape[2]}x{image.shape[3]}, {session.runtime}, 1 thread, {rounds} turns\n")
    print("| variant | parameters | ms | x present | quartiles |\n|---|---|---|---|---|")
    for name in names:
        ratios = [one / other for one, other in zip(times[name], times[PRESENT], strict=True)]
        low, high = np.quantile(ratios, (0.25, 0.75))
        shown = f"{weights[name] / 1e6:.3f} M | {median(times[name]):.2f} | {median(ratios):.3f}"
        print(f"| {name} | {shown} | {low:.3f} to {high:.3f} |")


def _export(variant: Variant, file: Path) -> int:
    """Write a student of the variant, with random weights, as ONNX; its parameters."""
    sizes = {"decoder_channels": variant.channels, "bins": variant.bins}
    student = build_student(StudentArchitecture(STUDENTS[STUDENT], 0.001, 10.0, WorkingSize(*SIZE), **sizes))  # type: ignore[arg-type]
    variant.slim(student.decoder)
    checkpoint = file.with_suffix(".safetensors")
    save_checkpoint(checkpoint, student.state_dict(), student.describe("student"))
    parameters = sum(one.numel() for one in student.parameters())
    write_student(student, describe_student(checkpoint, Wanted("onnx", source=SIZE, input="tensor"), parameters), file)
    return parameters


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="data.yaml")],
    teacher: Annotated[str, typer.Argument(help="Hub id or local folder")],
    work: Annotated[Path, typer.Option(help="folder of the runs and of the teacher's kept outputs")],
    weights: Annotated[Path, typer.Option(help="ImageNet weights of EfficientNet-Lite0")],
    table: Annotated[Path, typer.Option(help="CSV of the results")] = TABLE,
    epochs: int = 5,
    seeds: int = 3,
    views: Annotated[int, typer.Option(help="different views of an image")] = 25,
    only: Annotated[list[str] | None, typer.Option(help="variant beside the present one, may be repeated")] = None,
    arm: Annotated[list[str] | None, typer.Option(help="control or distilled; default: both")] = None,
    option: Annotated[list[str] | None, typer.Option(help="further option of all runs: --option=--lr=1")] = None,
) -> None:
    """Make the runs that have no row yet, seed by seed, then print the table."""
    common = ["--student", STUDENT, "--data", str(data), "--views", str(views), "--view-seed", "0"]
    common += ["--teacher-cache", str(work / "teacher"), *(option or [])]
    there = {tuple(row[name] for name in KEY) for row in _rows(table)}
    for seed in range(seeds):
        for name in [PRESENT, *(only or [name for name in VARIANTS if name != PRESENT])]:
            for which in arm or ARMS:
                key = (data.resolve().parent.name, name, which, str(seed), str(epochs))
                if key in there:
                    continue
                arguments = [*ARMS[which], *common, "--epochs", str(epochs), "--validate-every", str(epochs)]
                if which != "control":
                    arguments += ["--teacher", str(_acclimated(name, teacher, common, work))]
                arguments += ["--student-weights", str(weights), "--seed", str(seed)]
                found = _run(name, "distill", work / re.sub(r"[^\w.-]", "", "-".join(key)), arguments)
                _append(table, dict(zip(KEY, key, strict=True)), found, [*(option or []), f"--views={views}"])
    report(table)


def _acclimated(name: str, teacher: str, common: list[str], work: Path) -> Path:
    """The teacher's acclimation to students of a variant: seed 0, one for all its runs."""
    place = work / re.sub(r"[^\w.-]", "", f"acclimated-{name}")
    if not (place / "report.json").is_file():
        _run(name, "acclimate", place, ["--teacher", teacher, *common])
    return place


def _run(name: str, verb: str, place: Path, arguments: list[str]) -> dict[str, Any]:
    """Run a command with students of a variant, or go on with it; its report."""
    command = [sys.executable, __file__, "disdepth", name, verb, "-o", str(place), "--offline", "--quiet", "--json"]
    command += ["--resume"] if (place / "config.yaml").is_file() else [*arguments, *VARIANTS[name].options]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ}, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
    return dict(json.loads(done.stdout))


def _append(table: Path, row: dict[str, Any], found: dict[str, Any], options: list[str]) -> None:
    """Add a run's row; the file is made where there is none."""
    row |= {"steps": found["steps"], "seconds": found["seconds"]}
    row |= {metric: f"{found['final'][metric]:.5f}" for metric in METRICS}
    row |= {"defaults": disdepth_cli.__version__, "options": " ".join(options)}
    append(table, row, COLUMNS)
    print(*(row[name] for name in KEY), f"rmse {row['rmse']} in {row['seconds']} s", flush=True)


def _rows(table: Path) -> list[dict[str, str]]:
    if not table.is_file():
        return []
    with open(table, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@app.command()
def report(table: Annotated[Path, typer.Option(help="CSV of the results")] = TABLE) -> None:
    """Print each variant's mean RMSE and its change against the present student, paired by seed."""
    rows = _rows(table)
    print("\n| data | epochs | arm | variant | seeds | rmse, present | rmse | change | 95 % |\n|" + "---|" * 9)
    for of in dict.fromkeys((row["data"], row["epochs"], row["arm"], row["variant"]) for row in rows):
        data, epochs, arm, variant = of
        slim, present = (
            {
                row["seed"]: float(row["rmse"])
                for row in rows
                if (row["data"], row["epochs"], row["arm"], row["variant"]) == (data, epochs, arm, which)
            }
            for which in (variant, PRESENT)
        )
        seeds = [seed for seed in slim if seed in present]
        before, after = (mean(values[seed] for seed in seeds) for values in (present, slim))
        differences = [100 * (slim[seed] - present[seed]) / before for seed in seeds]
        low, high = interval(differences)
        spread = "one seed" if math.isnan(low) else f"{low:+.1f} to {high:+.1f} %"
        change = ["", ""] if variant == PRESENT else [f"{mean(differences):+.1f} %", spread]
        shown = [data, epochs, arm, variant, str(len(seeds)), f"{before:.4f}", f"{after:.4f}", *change]
        print("| " + " | ".join(shown) + " |")


if __name__ == "__main__":
    app()
