"""distill with `sweep`: short runs choose the loss weights, and the full run takes them."""

from __future__ import annotations

import json
import os
import signal

import pytest
import yaml

from disdepth_cli import distill
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.comparison import sweep as sweeping
from disdepth_cli.comparison.sweep import SETTINGS, settings_of, steps_of
from disdepth_cli.config import DistillConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.errors import ConfigError, Interrupted

NAMES = ["control", "x1", "output-only"]


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Three settings show what six do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeping, "SETTINGS", {name: SETTINGS[name] for name in NAMES[1:]})
        yield


@pytest.fixture(scope="module")
def common(rooms, tiny):
    weights = {"output_weight": 2.0, "feature_weight": 0.5}
    return {"data": rooms, "sweep": True, "sweep_steps": 3, "max_steps": 5, "save_every": 0, **weights, **tiny}


@pytest.fixture
def options(common, acclimated, tmp_path):
    return {**common, "output": tmp_path / "run", "teacher": str(acclimated)}


@pytest.fixture(scope="module")
def swept(common, tiny_teacher, quick, new_watcher, tmp_path_factory):
    """A folder with a run whose teacher was not acclimated, and who watched it."""
    folder, watcher = tmp_path_factory.mktemp("swept"), new_watcher()
    distill(output=folder / "run", teacher=str(tiny_teacher), observers=[watcher], **common)
    return folder, watcher


def report_of(run):
    return json.loads((run / "report.json").read_text())


def config_of(**options):
    return build_config(DistillConfig, {"data": ".", **options})


def test_each_pair_of_weights_is_tried_once(monkeypatch):
    monkeypatch.setattr(sweeping, "SETTINGS", SETTINGS)
    assert set(SETTINGS) == {"x0.3", "x1", "x3", "output-only", "feature-only"}
    settings = settings_of(config_of(output_weight=2.0, feature_weight=0.5).method)
    assert settings["x3"] == (6.0, 1.5) and settings["output-only"] == (2.0, 0.0)
    assert settings["feature-only"] == (0.0, 0.5) and len(settings) == 5
    assert list(settings_of(config_of(output_weight=2.0, feature_weight=0.0).method)) == ["x1", "x0.3", "x3"]
    with pytest.raises(ConfigError, match="--sweep: .* both are 0"):
        settings_of(config_of(output_weight=0.0, feature_weight=0.0).method)


def test_a_setting_gets_a_quarter_of_the_steps_but_fifty_where_there_are_as_many():
    assert [steps_of(None, planned) for planned in (1000, 100, 30)] == [250, 50, 30]
    assert steps_of(7, 30) == 7
    with pytest.raises(ConfigError, match="--sweep-steps 31: is more than the run's own 30"):
        steps_of(31, 30)


@pytest.mark.slow
def test_the_best_setting_is_trained_in_full_and_the_report_says_how_it_was_chosen(swept):
    folder, watcher = swept
    report = report_of(folder / "run")
    swept = report["sweep"]
    assert report["steps"] == 5 and swept["steps"] == 3
    rows = {row["setting"]: row for row in swept["settings"]}
    assert list(rows) == NAMES
    weights = [(row["output_weight"], row["feature_weight"]) for row in rows.values()]
    assert weights == [(0, 0), (2.0, 0.5), (2.0, 0)]
    for name, row in rows.items():
        theirs = report_of(folder / "run-sweep" / name)
        assert theirs["steps"] == 3 and theirs["distilled"] is (name != "control")
        assert row["rmse"] == theirs["best"]["rmse"] and row["delta1"] == theirs["best"]["delta1"]
        assert row["difference"] == pytest.approx(row["rmse"] - rows["control"]["rmse"])
        assert any(note.startswith(f"sweep: {name} ") and f"{row['rmse']:.4f}" in note for note in watcher.notes)
    best = min(NAMES[1:], key=lambda name: rows[name]["rmse"])
    assert swept["chosen"] == best and swept["beats_control"] is (rows[best]["rmse"] < rows["control"]["rmse"])
    recipe = read_metadata(folder / "run" / "student.safetensors").recipe
    assert (recipe["output_weight"], recipe["feature_weight"]) == (
        rows[best]["output_weight"],
        rows[best]["feature_weight"],
    )
    assert any("chosen on the val images" in line for line in watcher.warnings)


@pytest.mark.slow
def test_the_teacher_is_acclimated_once_and_the_full_run_is_the_one_without_a_sweep(swept, common, tmp_path):
    folder, watcher = swept
    assert sum("is not acclimated; doing that first" in note for note in watcher.notes) == 1
    assert {path.name for path in (folder / "run-sweep").iterdir()} == set(NAMES)
    for name in NAMES[1:]:
        config = yaml.safe_load((folder / "run-sweep" / name / "config.yaml").read_text())
        assert config["teacher"] == str(folder / "run-teacher")
    chosen = report_of(folder / "run")["sweep"]
    weights = {name: chosen[name] for name in ("output_weight", "feature_weight")}
    alone = {**common, "sweep": False, "sweep_steps": None, **weights}
    distill(output=tmp_path / "alone", teacher=str(folder / "run-teacher"), **alone)
    files = (folder / "run" / "student.safetensors", tmp_path / "alone" / "student.safetensors")
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped_and_repeats_no_finished_run(options, watcher, new_watcher, tmp_path):
    run, begun = tmp_path / "run", []
    whole_step = watcher.on_step
    watcher.on_start = lambda *_: begun.append(1)

    def on_step(progress):
        whole_step(progress)
        if len(begun) == 2 and progress.step == 1:  # the control, x1
            os.kill(os.getpid(), signal.SIGINT)

    watcher.on_step = on_step
    with pytest.raises(Interrupted, match=f"stopped at step 2 of {run}-sweep/x1; go on with --resume -o {run}$"):
        distill(observers=[watcher], **options)
    again = new_watcher()
    report = distill(observers=[again], resume=True, **options)
    assert len(again.parts) == 1 + 3 + 5  # the rest of x1, output-only, the full run
    later = new_watcher()
    assert distill(observers=[later], resume=True, **options)["sweep"] == report["sweep"] and later.parts == []
    (run / "report.json").unlink()  # as if it had been stopped at its end: the choice is kept
    for name in NAMES:
        os.rename(tmp_path / "run-sweep" / name, tmp_path / f"gone-{name}")
    assert distill(observers=[later], resume=True, **options)["sweep"] == report["sweep"] and later.parts == []


@pytest.mark.parametrize(
    ("control", "others"), [(0.5, (0.7, 0.6)), pytest.param(0.9, (0.7, 0.6), marks=pytest.mark.slow)]
)
def test_the_least_harmful_is_taken_with_a_warning_where_none_beats_the_control(
    control, others, options, bare_report, watcher, monkeypatch
):
    """The scores of the short runs are given; what follows from them is looked at."""
    errors = dict(zip(NAMES, (control, *others), strict=True))

    def score(config, data, whole, observer):
        best = {"rmse": errors[config.run.output.name], "abs_rel": 0.1, "delta1": 0.9}
        return bare_report(run=str(config.run.output), best=best)

    monkeypatch.setattr(sweeping, "train_arm", score)
    swept = distill(observers=[watcher], **options)["sweep"]
    assert swept["chosen"] == "output-only" and swept["beats_control"] is (control == 0.9)
    recipe = read_metadata(options["output"] / "student.safetensors").recipe
    assert (recipe["output_weight"], recipe["feature_weight"]) == (2.0, 0.0)  # not the 2.0 and 0.5 that were given
    doubts = [line for line in watcher.warnings if "no loss weights that were tried beat the control" in line]
    assert len(doubts) == (control == 0.5)
    assert all("output-only" in line and "--control" in line and "--no-distill" in line for line in doubts)


@pytest.mark.slow
def test_a_sweep_and_a_control_in_one_run(options, tmp_path):
    report = distill(control=True, **options)
    assert set(report) >= {"sweep", "gain", "control"} and report_of(tmp_path / "run")["gain"] == report["gain"]
    assert report["control"]["steps"] == 5  # the full one's, not the sweep's
