"""The tables of gains in README and docs/results.md say what the rows of the bench say; and those rows are tidy."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
README, RESULTS = "README.md", "docs/results.md"
STUDENTS = {"mobilenetv2": "MobileNetV2, random", "resnet18": "ResNet-18, random", "efficientnet-lite0": "Efficient"}
ROOMS = {"data": "rooms", "labels": "200", "scored_on": "other-rooms", "teacher": "tiny"}
NYU = {"data": "nyu", "labels": "690", "scored_on": "nyu", "teacher": "nyu-vit-s"}
KITCHEN = NYU | {"scored_on": "kitchen"}
PLACE = NYU | {"scored_on": "place", "teacher": "meter"}
FEW, FEW_KITCHEN = NYU | {"labels": "69"}, KITCHEN | {"labels": "69"}
PRESENT = {"defaults": "0.1.0"}
SMALL = PLACE | {"defaults": "0.1.0-small"}
MORE = "full + unlabelled"


@dataclass(frozen=True)
class Figures:
    """Rows of the bench that a page shows. further: metrics whose change stands in the same line."""

    page: str
    of: dict[str, str]
    student: str
    epochs: str
    arm: str = "full"
    further: tuple[str, ...] = ()


IN_README = [
    Figures(README, FEW, "efficientnet-lite0", "108", MORE),
    Figures(README, FEW_KITCHEN, "efficientnet-lite0", "108", MORE),
    Figures(README, PLACE, "efficientnet-lite0", "5", MORE),
    Figures(README, ROOMS, "mobilenetv2", "10"),
    Figures(README, ROOMS, "resnet18", "10"),
    Figures(README, ROOMS, "efficientnet-lite0", "5", "full, ghost's decoder"),
    Figures(README, ROOMS, "efficientnet-lite0", "10"),
]
SILOG = ("silog",)
IN_RESULTS = [
    Figures(RESULTS, ROOMS, "mobilenetv2", "10"),
    Figures(RESULTS, ROOMS, "resnet18", "10"),
    Figures(RESULTS, ROOMS, "efficientnet-lite0", "5", "full, ghost's decoder"),
    Figures(RESULTS, ROOMS, "efficientnet-lite0", "5"),
    Figures(RESULTS, ROOMS, "efficientnet-lite0", "10"),
    Figures(RESULTS, FEW, "efficientnet-lite0", "108", MORE, SILOG),
    Figures(RESULTS, FEW_KITCHEN, "efficientnet-lite0", "108", MORE, SILOG),
    Figures(RESULTS, PLACE, "efficientnet-lite0", "5", MORE, SILOG),
    *(Figures(RESULTS, SMALL, "efficientnet-lite0", epochs, MORE, SILOG) for epochs in ("5", "25", "50")),
]


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    """benchmarks/gain.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import gain

        yield gain


def lines_of(page: str) -> list[str]:
    """The lines of the page's tables that show a gain."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if re.search(r"\| \d\.\d{3} \| \d\.\d{3} \| \**[+-]", line)]


def shown(gain) -> str:
    """A change as the pages show it; bold where the interval excludes 0."""
    change = f"{gain.change:+.1f} %"
    if gain.low != gain.low:  # one seed
        return f"{change} one seed"
    bold = "**" if gain.low > 0 or gain.high < 0 else ""
    return f"{bold}{change}{bold} [{gain.low:+.1f}, {gain.high:+.1f}]"


@pytest.mark.parametrize("figures", IN_README + IN_RESULTS, ids=lambda one: f"{one.page}-{one.student}-{one.arm}")
def test_the_pages_gain_is_the_benchs(bench: ModuleType, figures: Figures) -> None:
    of = PRESENT | figures.of | {"student": figures.student, "epochs": figures.epochs}
    rows = bench.rows_of(ROOT / bench.TABLE, of)
    rmse = bench.paired(rows, figures.arm)
    cells = [f"{rmse.control:.3f}", f"{rmse.arm:.3f}", shown(rmse)]
    cells += [shown(bench.paired(rows, figures.arm, metric)) for metric in figures.further]
    text = f"| {' | '.join(cells)} |"

    mine = [line for line in lines_of(figures.page) if STUDENTS[figures.student] in line and text in line]

    assert len(mine) == 1, text
    teacher = float(rows[0]["teacher_rmse"])
    if way := re.search(r"\| (\d+) % \|$", mine[0]):
        assert int(way[1]) == round(100 * (rmse.arm - rmse.control) / (teacher - rmse.control))


@pytest.mark.parametrize("figures", [IN_README, IN_RESULTS], ids=[README, RESULTS])
def test_every_gain_on_a_page_is_compared(figures: list[Figures]) -> None:
    assert len(lines_of(figures[0].page)) == len(figures)


def test_the_table_of_runs_is_tidy(bench: ModuleType) -> None:
    """One row a run and set of images; a control for every arm; nothing but numbers among the figures."""
    rows = bench.rows_of(ROOT / bench.TABLE, {})
    keys = [tuple(row[name] for name in bench.KEY) for row in rows]
    compared = {key[:-3] + key[-2:] for key in keys if key[-3] == "control"}

    assert len(set(keys)) == len(keys) > 0
    assert list(rows[0]) == list(bench.COLUMNS)
    assert all(key[:-3] + key[-2:] in compared for key in keys)
    assert all(0 < float(row[name]) < 100 for row in rows for name in (*bench.METRICS, "teacher_rmse", "ghost_rmse"))


def test_the_bench_reports_the_rows_that_are_asked_for() -> None:
    command = [sys.executable, "benchmarks/gain.py", "--report", "--of", "data=rooms", "--of", "scored_on=other-rooms"]
    command += ["--of", "defaults=0.1.0", "--of", "student=resnet18"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    head, student, *table = [line for line in printed.splitlines() if line]

    assert head == "rooms, 200 labels; scored on other-rooms; teacher tiny; defaults 0.1.0"
    assert student == "resnet18, 10 epochs; teacher 0.582, through the ghost 0.717"
    assert [line.split(" | ")[0] for line in table[2:]] == ["| control", "| full", "| full, learned attention"]


def test_the_bench_refuses_a_column_that_is_not_there() -> None:
    command = [sys.executable, "benchmarks/gain.py", "--report", "--of", "place=kitchen"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert refused.returncode == 2 and "place" in refused.stderr
