"""A page: sections of text, tables, bars, charts and images, rendered into one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from disdepth_cli.files import write_text
from disdepth_cli.outputs.page.charts import Chart
from disdepth_cli.outputs.page.shown import COLOURS, ShownImage, gradient

if TYPE_CHECKING:
    from jinja2 import Template

ASSETS = Path(__file__).parents[2] / "assets" / "report"


@dataclass(frozen=True)
class Table:
    """rows: a label and cells. own: the column that the page is about, counted from 1; 0: none."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    own: int = 0
    note: str = ""


@dataclass(frozen=True)
class Bars:
    """A value of several models: (name, value, whether the page is about that model), shown by length."""

    title: str
    values: Sequence[tuple[str, float, bool]]

    @property
    def largest(self) -> float:
        """The value of the longest bar."""
        return max((value for _, value, _ in self.values), default=1.0) or 1.0


@dataclass(frozen=True)
class Section:
    """A part of a page, of what it has. lines: sentences; facts: name to words; command: for a terminal."""

    title: str
    lines: Sequence[str] = ()
    bars: Bars | None = None
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    images: Sequence[ShownImage] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        parts = (self.lines, self.bars, self.tables, self.charts, self.images, self.facts, self.command)
        return not any(parts)


@dataclass(frozen=True)
class Page:
    """about: what stands below the title. state: how far a training is; empty where it is finished."""

    title: str
    about: Sequence[str]
    sections: Sequence[Section]
    state: str = ""


def write_page(file: Path, page: Page) -> None:
    """Render a page into a file, atomically.

    Raises:
        DisdepthError: the file cannot be written.
    """
    write_text(file, render(page))


def render(page: Page) -> str:
    """The page as HTML. Every text in it is escaped; style, script and pictures stand in the page itself."""
    shown = [section for section in page.sections if not section.is_empty]
    return _template().render(page=page, sections=shown, **_assets())


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((ASSETS / "report.html").read_text(encoding="utf-8"))


@cache
def _assets() -> dict[str, Any]:
    """What is ours and stands in the page as it is."""
    from markupsafe import Markup

    read = {name: (ASSETS / name).read_text(encoding="utf-8") for name in ("style.css", "script.js")}
    scales = {scale: gradient(scale) for scale in COLOURS}
    return {"style": Markup(read["style.css"]), "script": Markup(read["script.js"]), "scales": scales}
