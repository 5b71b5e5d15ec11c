"""report.html: its parts, its numbers, its escaping, and what a browser makes of it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml

from disdepth_cli.config import AcclimateConfig, DistillConfig, EvaluateConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.errors import ConfigError
from disdepth_cli.outputs.page.again import command_of
from disdepth_cli.outputs.page.charts import histogram_chart, line_chart
from disdepth_cli.outputs.page.run_page import write_run_page
from disdepth_cli.outputs.page.shown import PageData, Picture, ShownImage, encoded, histogram
from disdepth_cli.runs.folder import RunFolder

EVIL = "<script>document.title='broken'</script>\"'><img src=x onerror=alert(1)>"
STUDENT = {"abs_rel": 0.12345678, "rmse": 0.73311, "delta1": 0.8123}
CONTROL = {"abs_rel": 0.13, "rmse": 0.7391, "delta1": 0.8}
CONSTANT = {"abs_rel": 0.4, "rmse": 1.5, "delta1": 0.3}
REPORT = {
    "distilled": True,
    "best": STUDENT,
    "best_step": 40,
    "steps": 50,
    "seconds": 93.2,
    "images_per_second": 12.34,
    "baselines": {"constant": CONSTANT, "ghost": CONTROL, "teacher": CONTROL | {"note": "aligned"}},
    "control": {"run": "run-control", "metrics": CONTROL},
    "gain": {
        "rmse": {
            "student": 0.73311,
            "control": 0.7391,
            "difference": -0.00599,
            "interval": [-0.02, 0.01],
            "relative": -0.0081,
            "verdict": "not distinguishable",
            "images": 40,
        }
    },
    "teacher": {"id": EVIL, "kind": "metric_depth", "licence": EVIL},
    "scored_against": "ground truth",
}


class Reader(HTMLParser):
    """The tags, the text and the table cells of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.cells: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style") and data.strip():
            self.text.append(data.strip())
            if self._open[-1] in ("td", "th"):
                self.cells.append(data.strip())

    def row(self, label: str) -> list[str]:
        """The cells after a label, as many as the first table has columns."""
        start = self.cells.index(label) + 1
        return self.cells[start : start + 8]

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A folder of a run with hostile names."""
    folder = RunFolder(tmp_path / "run")
    (folder.path / "last").mkdir(parents=True)
    config = build_config(DistillConfig, {"data": EVIL, "teacher": ["one"], "input_size": "64x96", "lr": 0.01})
    (folder.path / "config.yaml").write_text(yaml.safe_dump({"verb": "distill", **config.flat()}))
    rows = "".join(f"{step},1,train,{1 / step},{2 / step},\n{step},1,val,,,{1 / step}\n" for step in range(10, 60, 10))
    folder.metrics_file.write_text(f"step,epoch,split,loss,{json.dumps(EVIL.replace(chr(34), chr(39)))},rmse\n{rows}")
    grey = np.full((30, 40, 3), 128, np.uint8)
    pictures = {"image": Picture(encoded(grey))}
    pictures |= {name: Picture(encoded(grey), "depth", "1.0 m", "4.0 m") for name in ("ground truth", "student")}
    edges, counts = histogram([0.1, 0.2, 0.2, 0.9])
    errors = {"metric": "abs_rel", "edges": edges, "counts": counts}
    PageData([ShownImage(EVIL, "words", pictures)], errors, [{"image": EVIL, "abs_rel": 0.9}]).write(
        folder.page_data_file
    )
    return folder


def test_every_part_is_there_and_the_numbers_are_the_reports(run):
    write_run_page(run, REPORT)
    page = Reader(run.page_file.read_text(encoding="utf-8"))
    for title in ("Result on the val images", "Does distillation help?", "Curves", "Images", "Make it again"):
        assert title in page.text
    columns = ["constant", "control", "student", "ghost", "teacher"]
    assert page.cells[: len(columns)] == columns
    for metric, label in (("abs_rel", "abs_rel"), ("rmse", "rmse [m]"), ("delta1", "delta1")):
        models = (CONSTANT, CONTROL, STUDENT, CONTROL, CONTROL)
        assert page.row(label)[:5] == [f"{one[metric]:.4f}" for one in models]
    assert {"-0.0060", "-0.0200 to +0.0100", "-0.8 %", "not distinguishable"} <= set(page.cells)
    assert "teacher: aligned to each image's ground truth, since its numbers have no scale" in page.text
    assert "The student's rmse is 49 % of a constant depth's." in page.text
    assert not any("training:" in text for text in page.text)
    assert sum(len(points["points"].split()) for points in page.named("polyline")) == 5 + 5 + 5 + 2 * 3
    write_run_page(run, {"best": STUDENT}, "training: step 20 of 50")
    assert "training: step 20 of 50" in Reader(run.page_file.read_text(encoding="utf-8")).text


def test_words_of_others_are_text_and_the_page_needs_nothing_else(run):
    write_run_page(run, REPORT)
    text = run.page_file.read_text(encoding="utf-8")
    page = Reader(text)
    assert sum(EVIL in one for one in page.text) >= 4  # title, licence, image, worst image
    assert len(page.named("script")) == len(page.named("style")) == 1
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    sources = [one["src"] for one in page.named("img") if "src" in one]
    assert len(sources) == 3 and all(str(one).startswith("data:image/jpeg;base64,") for one in sources)
    assert not page.named("link") and not page.named("a") and not re.search(r"""(href|url\(|@import|https?:)""", text)
    assert any("default-src 'none'" in str(one.get("content")) for one in page.named("meta"))


def test_a_browser_shows_two_pictures_and_an_edge_between(run, tmp_path):
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium is installed")
    write_run_page(run, REPORT)
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    dumped = subprocess.run(
        [*command, "--dump-dom", run.page_file.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    page = Reader(dumped.stdout)
    (wipe,) = [one for one in page.named("div") if one.get("class") == "wipe"]
    assert "hidden" not in wipe
    under, over = [one for one in page.named("img") if one.get("class") in ("under", "over")]
    assert (under["alt"], over["alt"]) == ("ground truth", "student")
    assert all(str(one["src"]).startswith("data:image/jpeg") for one in (under, over))
    assert [one.get("value") for one in page.named("option")] == ["image", "ground truth", "student"] * 2
    assert page.text[0].startswith("mobilenetv2, distilled from") and "broken" not in page.text[0].split(EVIL)[0]


def test_a_run_without_pictures_or_log_has_a_page_too(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "last").mkdir()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"verb": "acclimate", "teacher": "t", "student": "resnet18"}))
    folder.page_data_file.write_text('{"images": [{"key": 1}]}')
    write_run_page(folder, {"teacher": {"id": "t"}, "ghost_metrics": STUDENT, "constant_metrics": CONSTANT})
    page = Reader(folder.page_file.read_text(encoding="utf-8"))
    assert page.text[0].startswith("t, acclimated to resnet18") and "Images" not in page.text
    assert page.row("rmse [m]")[:2] == ["1.5000", "0.7331"]


@pytest.mark.parametrize(
    ("kind", "options", "arguments"),
    [
        (DistillConfig, {"data": "a b.yaml", "teacher": ["one", "two"], "control": True, "input_size": "64x96"}, ()),
        (DistillConfig, {"data": "d", "distill": False, "augment": {"flip": 0.0}, "pretrained": False}, ()),
        (AcclimateConfig, {"data": "d", "teacher": "t", "attention_diversity": 0.5, "offline": True}, ()),
        (EvaluateConfig, {"model": "m", "data": "d", "baselines": False, "align": "median", "workers": 2}, ("model",)),
    ],
)
def test_the_command_makes_the_same_options(cli, monkeypatch, kind, options, arguments):
    config = build_config(kind, options)
    seen = []

    def engine(given, observer):
        seen.append(given)
        raise ConfigError("seen")

    monkeypatch.setattr(f"disdepth_cli.engine.{kind.verb()}.{kind.verb()}", engine)
    monkeypatch.setattr("disdepth_cli.cli.console.refuse_missing", lambda config: None)
    program, *words = shlex.split(command_of(kind, config.flat(), arguments))
    assert program == "disdepth"
    cli(*words)
    assert seen and seen[0].flat() == config.flat()


def test_charts_stay_in_their_area_and_long_ones_are_thinned():
    steps = [float(step) for step in range(5000)]
    chart = line_chart("loss", {"a": (steps, [1 / (1 + step) for step in steps]), "b": (steps, [2.0] * 5000)}, {"c": 3})
    left, right, top, bottom = chart.area
    for line in chart.lines:
        places = [tuple(map(float, one.split(","))) for one in line.points.split()]
        assert len(places) <= 200 and not line.dots
        assert all(left <= x <= right and top <= y <= bottom for x, y in places)
    assert chart.y_ticks and chart.x_ticks
    flat = line_chart("lr", {"lr": ([5.0], [0.0])})
    assert flat.lines[0].dots[0][2] == "lr, step 5: 0"
    edges, counts = histogram([0.1] * 50 + [9.0])
    assert sum(counts) == 51 and len(edges) == len(counts) + 1
    bars = histogram_chart("errors", edges, counts, "abs_rel").bars
    assert sum(int(said.split(": ")[1]) for *_, said in bars) == 51
