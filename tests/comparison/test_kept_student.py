"""Which student a run with a control hands out: the better one is never lost, whichever it is."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from disdepth_cli import distill, evaluate
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.comparison.gain import FEWEST
from disdepth_cli.comparison.kept_student import choose, is_settled, keep_student
from disdepth_cli.errors import CheckpointError, ConfigError


def gain(difference, verdict):
    return {"rmse": {"difference": difference, "verdict": verdict}}


@pytest.mark.parametrize(
    ("rule", "difference", "verdict", "kept"),
    [
        ("auto", 0.2, "worse", "control"),
        ("auto", 0.2, "not distinguishable", "distilled"),
        ("auto", -0.2, "better", "distilled"),
        ("better", 0.2, "worse", "control"),
        ("better", 0.2, "not distinguishable", "control"),
        ("better", 0.0, "not distinguishable", "distilled"),
        ("better", -0.2, "not distinguishable", "distilled"),
        ("distilled", 0.2, "worse", "distilled"),
        ("auto", float("nan"), "not distinguishable", "distilled"),
    ],
)
def test_the_rule_decides_by_rmse(rule, difference, verdict, kept):
    assert choose(rule, gain(difference, verdict)) == kept


def test_handing_out_goes_back_and_forth_and_loses_nothing(tmp_path):
    run, control = tmp_path / "run", tmp_path / "control"
    for folder, content in ((run, "ours"), (control, "theirs")):
        folder.mkdir()
        (folder / "student.safetensors").write_text(content)

    def files():
        return {file.name: file.read_text() for file in run.iterdir()}

    keep_student("distilled", run)
    assert files() == {"student.safetensors": "ours"}
    for _ in range(2):
        keep_student("control", run, control)
        assert files() == {"student.safetensors": "theirs", "distilled.safetensors": "ours"}
    for _ in range(2):
        keep_student("distilled", run)
        assert files() == {"student.safetensors": "ours"}
    assert (control / "student.safetensors").read_text() == "theirs"


class TestIsSettled:
    """Whether a finished run that is to be pushed needs nothing else."""

    @pytest.fixture
    def run(self, tmp_path):
        """It hands out its control."""
        (tmp_path / "distilled.safetensors").touch()
        return tmp_path

    @pytest.fixture
    def report(self, bare_report):
        """`report(student, rule)`: of a run that has handed out this student by this rule."""
        return lambda student, rule: bare_report(gain={}, kept={"student": student, "rule": rule})

    def test_by_the_rule_and_by_the_files(self, run, report, bare_report, tmp_path):
        assert is_settled(run, report("control", "auto"), True, "auto")
        assert not is_settled(run, report("control", "auto"), True, "better")
        assert not is_settled(run, report("distilled", "auto"), True, "auto")  # killed before its report
        assert not is_settled(run, report("control", "auto"), False, "auto")
        assert not is_settled(tmp_path / "other", report("control", "auto"), True, "auto")
        assert is_settled(tmp_path / "other", bare_report(), False, "auto")
        assert not is_settled(tmp_path / "other", bare_report(), True, "auto")

    @pytest.mark.parametrize(("rule", "settled"), [("auto", True), ("distilled", True), ("better", False)])
    def test_a_report_of_before_there_were_rules(self, rule, settled, bare_report, tmp_path):
        assert is_settled(tmp_path, bare_report(gain={}), True, rule) is settled


@pytest.fixture(scope="module")
def options(rooms, acclimated, tiny, tmp_path_factory):
    """A teacher that knows nothing, and is believed: the distilled student loses."""
    values = yaml.safe_load(rooms.read_text())
    values |= {"path": str(rooms.parent), "val": values["train"]}
    data = tmp_path_factory.mktemp("data") / "data.yaml"
    data.write_text(yaml.safe_dump(values))
    return {"data": data, "teacher": str(acclimated), "max_steps": 6, "output_weight": 100.0, **tiny}


@pytest.fixture(scope="module")
def losing(options, new_watcher, tmp_path_factory):
    """A run whose control is better, and what it said."""
    run, watcher = tmp_path_factory.mktemp("losing") / "run", new_watcher()
    distill(output=run, control=True, observers=[watcher], **options)
    return run, watcher


@pytest.fixture
def copied(losing, tmp_path, monkeypatch):
    """That run and its control, to be gone on with."""
    for name in ("run", "run-control"):
        shutil.copytree(losing[0].with_name(name), tmp_path / name)
    return tmp_path / "run"


def report_of(run):
    return json.loads((run / "report.json").read_text())


def student(run, name="student.safetensors"):
    return (run / name).read_bytes()


def test_a_student_that_lost_is_not_what_the_run_hands_out(losing, options):
    run, watcher = losing
    report = report_of(run)
    rmse = report["gain"]["rmse"]
    assert rmse["images"] >= FEWEST and rmse["verdict"] == "worse"
    assert report["kept"] == {"student": "control", "rule": "auto", "distilled": "distilled.safetensors"}
    assert student(run) == student(run.with_name("run-control")) != student(run, "distilled.safetensors")
    assert read_metadata(run / "student.safetensors").teacher is None
    assert read_metadata(run / "distilled.safetensors").teacher is not None
    handed_out = evaluate(model=run, data=options["data"], workers=0, device="cpu", baselines=False)
    assert handed_out["rmse"] == pytest.approx(rmse["control"], rel=1e-5)
    said = [warning for warning in watcher.warnings if "worse than its control" in warning]
    assert len(said) == 1 and "distilled.safetensors beside it" in said[0]


def test_another_rule_hands_out_the_other_without_any_training(copied, options, watcher):
    ours = student(copied, "distilled.safetensors")
    before = report_of(copied)
    distill(output=copied, control=True, keep="distilled", resume=True, observers=[watcher], **options)
    assert watcher.parts == []
    assert student(copied) == ours and not (copied / "distilled.safetensors").exists()
    after = report_of(copied)
    assert after["kept"] == {"student": "distilled", "rule": "distilled", "distilled": "student.safetensors"}
    assert after["gain"] == before["gain"]
    distill(output=copied, control=True, keep="better", resume=True, **options)
    assert student(copied) == student(copied.with_name("run-control"))
    assert student(copied, "distilled.safetensors") == ours and report_of(copied)["gain"] == before["gain"]


def test_without_its_control_a_run_hands_out_its_own_student(copied, options):
    ours = student(copied, "distilled.safetensors")
    distill(output=copied, resume=True, **options)
    assert student(copied) == ours and not (copied / "distilled.safetensors").exists()
    assert "kept" not in report_of(copied)


def test_a_distilled_student_that_is_gone_is_not_mistaken_for_the_control(copied, options):
    (copied / "distilled.safetensors").unlink()
    for more in ({"control": True}, {}):
        with pytest.raises(CheckpointError, match="student.safetensors is the control's, .* is gone; put it back"):
            distill(output=copied, resume=True, **more, **options)


@pytest.mark.slow
def test_training_again_leaves_no_student_of_before(copied, options):
    shutil.rmtree(copied / "last")
    (copied / "report.json").unlink()
    (copied / "distilled.safetensors").write_bytes(b"older")
    distill(output=copied, control=True, resume=True, **options)
    assert report_of(copied)["kept"]["student"] == "control" and len(student(copied, "distilled.safetensors")) > 9


@pytest.mark.slow
def test_with_few_images_only_better_lets_the_control_have_it(rooms, options, watcher, tmp_path, monkeypatch):
    few = options | {"data": rooms}
    run = tmp_path / "run"
    kept = distill(output=run, control=True, **few)["kept"]
    assert kept["student"] == "distilled"
    again = distill(output=run, control=True, keep="better", resume=True, observers=[watcher], **few)
    assert again["gain"]["rmse"]["images"] < FEWEST and again["gain"]["rmse"]["difference"] > 0
    assert again["kept"]["student"] == "control" and student(run) == student(run.with_name("run-control"))
    assert any("too few to tell" in note and "distilled.safetensors" in note for note in watcher.notes)


def test_a_rule_without_a_control_is_refused(options, tmp_path):
    with pytest.raises(ConfigError, match="--keep better: chooses between the student and its control; add --control"):
        distill(output=tmp_path / "run", keep="better", **options)
    assert not (tmp_path / "run").exists()
