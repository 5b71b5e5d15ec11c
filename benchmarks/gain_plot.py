"""gain.csv as a picture: RMSE of control and distilled student against the budget, and what each arm changes.

python benchmarks/gain_plot.py gain.png --of data=nyu --of scored_on=nyu --of defaults=0.1.0
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Annotated

import typer
from gain import TABLE, columns, interval, rows_of
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Rows = list[dict[str, str]]
DISTILLED = ("full", "full, learned attention", "+ attention")
"""Arms that stand beside the control over budgets, each on the seeds and budgets that it shares with a control."""


def main(
    out: Annotated[Path, typer.Argument(help="PNG to write")],
    of: Annotated[list[str], typer.Option(help="COLUMN=VALUE of the rows, may be repeated")],
    table: Annotated[Path, typer.Option(help="CSV of benchmarks/gain.py")] = TABLE,
) -> None:
    """Write the picture."""
    rows = rows_of(table, columns(of))
    students = list(dict.fromkeys(row["student"] for row in rows))
    figure = Figure(figsize=(4.6 * len(students), 7.2), layout="constrained")
    grid = figure.subplots(2, len(students), squeeze=False)
    for column, student in enumerate(students):
        mine = [row for row in rows if row["student"] == student]
        _budgets(grid[0, column], student, mine)
        _arms(grid[1, column], mine)
    figure.savefig(out, dpi=110)


def _budgets(axes: Axes, student: str, rows: Rows) -> None:
    runs = {arm: {(r["seed"], r["epochs"]) for r in rows if r["arm"] == arm} for arm in ("control", *DISTILLED)}
    pairs = {arm: runs["control"] & runs[arm] for arm in DISTILLED}  # a mean of other seeds is no comparison
    shown = {"control": set[tuple[str, str]]().union(*pairs.values()), **pairs}
    for arm in filter(shown.get, shown):
        some = [row for row in rows if row["arm"] == arm and (row["seed"], row["epochs"]) in shown[arm]]
        epochs = sorted({int(row["epochs"]) for row in some})
        axes.plot(epochs, [mean(_rmse(some, epoch)) for epoch in epochs], "o-", label=arm)
        for epoch in epochs:
            values = _rmse(some, epoch)
            axes.plot([epoch] * len(values), values, ".", color="grey", markersize=4)
    axes.axhline(mean(float(row["teacher_rmse"]) for row in rows), color="black", linestyle=":", label="teacher")
    axes.set(title=student, xlabel="epochs of the labelled images", ylabel="RMSE [m] on val", xscale="log")
    axes.set_xticks(ticks := sorted({int(row["epochs"]) for row in rows}), [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.legend()


def _rmse(rows: Rows, epochs: int) -> list[float]:
    return [float(row["rmse"]) for row in rows if int(row["epochs"]) == epochs]


def _arms(axes: Axes, rows: Rows) -> None:
    """Paired differences to the control, of the budget with most runs; 95 % over seeds."""
    counts = [row["epochs"] for row in rows]
    budget = max(dict.fromkeys(counts), key=counts.count)
    mine = [row for row in rows if row["epochs"] == budget]
    controls = {row["seed"]: float(row["rmse"]) for row in mine if row["arm"] == "control"}
    arms = [arm for arm in dict.fromkeys(row["arm"] for row in mine) if arm != "control"]
    for place, arm in enumerate(arms):
        pairs = [(float(r["rmse"]), controls[r["seed"]]) for r in mine if r["arm"] == arm and r["seed"] in controls]
        change = [100 * (student / control - 1) for student, control in pairs]
        low, high = interval(change)
        axes.plot(change, [place] * len(change), ".", color="grey")
        axes.plot([low, high], [place, place], color="C1")
        axes.plot([mean(change)] if change else [], [place] if change else [], "o", color="C1")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(arms)), arms)
    axes.set(xlabel=f"RMSE change [%], {budget} epochs", ylim=(len(arms) - 0.5, -0.5))


if __name__ == "__main__":
    typer.run(main)
