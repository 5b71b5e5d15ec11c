"""The page of a run: written at each validation, equal to the report at the end; and what a student stands beside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from disdepth_cli import distill, evaluate
from disdepth_cli.outputs.page.shown import PageData
from disdepth_cli.training import live_page
from disdepth_cli.training.live_page import Pace


class PageReader:
    """Keeps what the page says at each validation, before it is written again."""

    def __init__(self, page: Path) -> None:
        self.page, self.seen = page, []

    def on_validation(self, step, epoch, metrics, is_best):
        self.seen.append(self.page.read_text() if self.page.exists() else "")

    def __getattr__(self, name):
        return lambda *_: None


def test_the_page_grows_at_each_validation_and_ends_with_the_report(rooms, acclimated, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(live_page, "USUAL", 0.0)  # else a run of seconds writes it once, at its end
    page = tmp_path / "run" / "report.html"
    reader = PageReader(page)
    options = {"data": rooms, "teacher": str(acclimated), "max_steps": 6, **tiny}
    distill(output=page.parent, observers=[reader], **options)
    assert reader.seen[0] == "" and len(reader.seen) == 2
    assert "training: step 4 of 6" in reader.seen[1] and ">constant<" in reader.seen[1]
    assert (page.parent / "curves.png").is_file()
    text, report = page.read_text(), json.loads((page.parent / "report.json").read_text())
    assert "training: step" not in text and f"{report['best']['rmse']:.4f}" in text
    shown = PageData.read(page.parent / "last" / "page.json")
    assert [list(one.pictures) for one in shown.images] == [
        ["image", "ground truth", "teacher", "ghost", "student", "error"]
    ] * 3
    assert sum(shown.errors["counts"]) == len(shown.worst) == 3
    before = json.loads((acclimated / "report.json").read_text())
    assert report["baselines"] == {
        "constant": before["constant_metrics"],
        "teacher": before["teacher_metrics"],
        "ghost": before["ghost_metrics"],
    }
    assert "ghost" in (acclimated / "report.html").read_text()


@pytest.mark.slow
def test_on_other_val_images_teacher_and_ghost_are_scored_again(rooms, acclimated, tiny, tmp_path):
    values = yaml.safe_load(rooms.read_text())
    lines = (rooms.parent / values["train"]).read_text().splitlines()
    (tmp_path / "val.txt").write_text("\n".join(lines[:3]))
    values |= {"path": str(rooms.parent), "val": str(tmp_path / "val.txt")}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(values))
    options = {"data": tmp_path / "data.yaml", "teacher": str(acclimated), "max_steps": 1, **tiny}
    found = distill(output=tmp_path / "run", **options)["baselines"]
    before = json.loads((acclimated / "report.json").read_text())
    for name, earlier in (("constant", "constant_metrics"), ("teacher", "teacher_metrics"), ("ghost", "ghost_metrics")):
        assert found[name]["rmse"] != pytest.approx(before[earlier]["rmse"], rel=1e-3)
    doubled = {"path": str(rooms.parent), "depth_scale": 500}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(yaml.safe_load(rooms.read_text()) | doubled))
    other = distill(output=tmp_path / "other", **options)["baselines"]  # the same images, of another depth
    assert other["teacher"]["rmse"] != pytest.approx(before["teacher_metrics"]["rmse"], rel=1e-3)
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(values))
    ghost = evaluate(str(acclimated), data=tmp_path / "data.yaml", baselines=False, offline=True)
    assert found["ghost"]["rmse"] == pytest.approx(ghost["rmse"], rel=1e-3)


def test_a_page_that_fails_ends_no_run_and_is_told_of_once(rooms, tiny, tmp_path, watcher, monkeypatch):
    def broken(*_):
        raise ValueError("no page today")

    monkeypatch.setattr(live_page, "write_run_page", broken)
    monkeypatch.setattr(live_page, "SHARE", 1e9)
    report = distill(data=rooms, distill=False, output=tmp_path / "run", max_steps=9, observers=[watcher], **tiny)
    assert report["steps"] == 9
    assert [line for line in watcher.warnings if "no page today" in line] == [
        "the page of the run is left as it was: no page today"
    ]
    assert report["baselines"].keys() == {"constant"}


class KeptReader(PageReader):
    """Keeps whether the page's data was there at each validation after the first."""

    def on_validation(self, step, epoch, metrics, is_best):
        self.seen.append(self.page.exists())


def test_what_the_best_step_was_worth_is_kept_before_the_page_is_drawn(rooms, tiny, tmp_path):
    reader = KeptReader(tmp_path / "run" / "last" / "page.json")
    options = {"data": rooms, "distill": False, "max_steps": 5, **tiny}
    distill(output=tmp_path / "run", observers=[reader], **options)
    assert reader.seen == [False, True]
    assert PageData.read(reader.page).errors["counts"]


def test_what_takes_long_is_done_less_often(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(live_page.time, "monotonic", lambda: now[0])
    pace = Pace()
    assert not pace.is_due  # a run of seconds writes its page once, at its end
    now[0] += 10.0
    assert pace.is_due
    with pace.timed():
        now[0] += 2.0
    now[0] += 199.0
    assert not pace.is_due
    now[0] += 1.0
    assert pace.is_due


def test_no_picture_is_worth_a_run(rooms, tiny, tmp_path, watcher, monkeypatch):
    def broken(*_):
        raise OSError("no space for pictures")

    monkeypatch.setattr(live_page.ShownImages, "look", broken)
    report = distill(data=rooms, distill=False, output=tmp_path / "run", max_steps=2, observers=[watcher], **tiny)
    assert report["steps"] == 2 and (tmp_path / "run" / "report.json").is_file()
    assert [line for line in watcher.warnings if "no space for pictures" in line] == [
        "the page of the run is left as it was: no space for pictures"
    ]
