"""Charts as numbers: where lines, bars and labels stand in a drawing of fixed size, which the template makes SVG of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from disdepth_cli.outputs.curves import Curve

WIDTH, HEIGHT = 420, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 410, 10, 204  # of the area of the data
POINTS = 200  # of a line, at most
FEW = 40  # points, up to which each has a dot


@dataclass(frozen=True)
class Line:
    """points: `x,y x,y`. dots: x, y and what a dot says. reference: a level to be compared with, dashed."""

    name: str
    points: str
    dots: list[tuple[float, float, str]] = field(default_factory=list)
    reference: bool = False


@dataclass(frozen=True)
class Chart:
    """bars: x, y, width, height and what a bar says. x_ticks, y_ticks: a place and its label."""

    title: str
    x_label: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[Line] = field(default_factory=list)
    bars: list[tuple[float, float, float, float, str]] = field(default_factory=list)
    width: int = WIDTH
    height: int = HEIGHT
    area: tuple[int, int, int, int] = (LEFT, RIGHT, TOP, BOTTOM)


@dataclass(frozen=True)
class _Axis:
    """From values to places; a logarithmic one takes positive values only."""

    low: float
    high: float
    first: float
    last: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.logarithmic:
            low, high, at = math.log(low), math.log(high), math.log(value)
        share = (at - low) / (high - low) if high > low else 0.5
        return round(self.first + share * (self.last - self.first), 1)

    def ticks(self, count: int) -> list[tuple[float, str]]:
        values = _log_ticks(self.low, self.high) if self.logarithmic else _ticks(self.low, self.high, count)
        return [(self.place(value), f"{value:.6g}") for value in values]


def line_chart(
    title: str, curves: Mapping[str, Curve], levels: Mapping[str, float] | None = None, x_label: str = "step"
) -> Chart:
    """Curves over one axis of steps; several positive ones have a logarithmic scale. levels: names to dashed lines."""
    levels = levels or {}
    thin = {name: _thinned(*curve) for name, curve in curves.items()}
    steps = [step for some, _ in thin.values() for step in some]
    values = [*(value for _, some in thin.values() for value in some), *levels.values()]
    logarithmic = len(curves) > 1 and min(values) > 0
    low, high = min(values), max(values)
    margin = 0 if logarithmic else 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    x = _Axis(min(steps), max(steps), LEFT, RIGHT)
    y = _Axis(low - margin, high + margin, BOTTOM, TOP, logarithmic)
    lines = [_line(name, some, x, y) for name, some in thin.items()]
    lines += [
        Line(f"{name} {level:.4g}", f"{LEFT},{y.place(level)} {RIGHT},{y.place(level)}", reference=True)
        for name, level in levels.items()
    ]
    return Chart(title, x_label, x.ticks(5), y.ticks(5), lines)


def histogram_chart(title: str, edges: Sequence[float], counts: Sequence[int], x_label: str) -> Chart:
    """Bars of counts (N,) between edges (N + 1,); the last bar may hold what lies beyond."""
    x = _Axis(edges[0], edges[-1], LEFT, RIGHT)
    y = _Axis(0, max(*counts, 1), BOTTOM, TOP)
    bars = []
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        left, top = x.place(low), y.place(count)
        said = f"{low:.3g} to {high:.3g}: {count}"
        bars.append((left, top, round(x.place(high) - left - 1, 1), round(BOTTOM - top, 1), said))
    return Chart(title, x_label, x.ticks(6), [tick for tick in y.ticks(4) if "." not in tick[1]], bars=bars)


def _line(name: str, curve: Curve, x: _Axis, y: _Axis) -> Line:
    places = [(x.place(step), y.place(value)) for step, value in zip(*curve, strict=True)]
    said = [f"{name}, step {step:.0f}: {value:.4g}" for step, value in zip(*curve, strict=True)]
    dots = [(*place, words) for place, words in zip(places, said, strict=True)] if len(places) <= FEW else []
    return Line(name, " ".join(f"{left},{top}" for left, top in places), dots)


def _thinned(steps: Sequence[float], values: Sequence[float]) -> Curve:
    """At most `POINTS` points, each the mean of its neighbours."""
    every = -(-len(steps) // POINTS)
    groups = [slice(first, first + every) for first in range(0, len(steps), every)]
    return [steps[group][-1] for group in groups], [sum(values[group]) / len(values[group]) for group in groups]


def _ticks(low: float, high: float, count: int) -> list[float]:
    """About so many round numbers between low and high."""
    if high <= low:
        return [low]
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(number * step, 12) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of the decades between; the powers of ten alone where these would be many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(decades) <= 3 else (1,)
    found = [factor * 10.0**decade for decade in decades for factor in factors]
    return [value for value in found if low <= value <= high] or [low, high]
