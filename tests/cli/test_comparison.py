"""distill --control and --sweep on the command line: what is printed, and what a dry run says."""

from __future__ import annotations

import pytest

from disdepth_cli.comparison import sweep as sweeping

HEADLINES = ("abs_rel", "rmse", "delta1")


@pytest.fixture
def command(rooms, acclimated, short, tmp_path, monkeypatch):
    monkeypatch.setattr(sweeping, "SETTINGS", {"x1": (1.0, 1.0)})
    return ("distill", "-t", acclimated, "--data", rooms, "-o", tmp_path / "run", *short)


@pytest.mark.slow
def test_the_gain_is_printed_in_words_beside_both_arms(cli, command, tmp_path):
    outcome = cli(*command, "--control")
    assert outcome.code == 0, outcome.err
    head = next(line for line in outcome.out.splitlines() if "student" in line)
    assert head.index("student") < head.index("control") < head.index("constant") < head.index("ghost")
    assert " % of a constant depth's" in outcome.out
    for metric in HEADLINES:
        (line,) = [line for line in outcome.out.splitlines() if line.startswith(f"{metric} ")]
        assert " against the control's " in line
        assert line.endswith(("the same", "not distinguishable: 3 val images are too few to tell"))
    assert f"control: {tmp_path}/run-control/student.safetensors" in outcome.out
    again = cli("distill", "--resume", "-o", tmp_path / "run", "--json")  # its options come from the run folder
    assert again.code == 0 and set(again.json["gain"]) == set(HEADLINES), again.err
    assert set(again.json["gain"]["rmse"]) >= {"student", "control", "difference", "interval", "relative"}
    assert again.json["control"]["run"] == f"{tmp_path}/run-control" and again.json["control"]["metrics"]["rmse"] > 0


@pytest.mark.slow
def test_a_finished_run_gets_its_control_when_it_is_asked_for(cli, command, tmp_path):
    assert "gain" not in cli(*command, "--json").json
    outcome = cli("distill", "--resume", "-o", tmp_path / "run", "--control")
    assert outcome.code == 0 and "rmse" in outcome.out and "against the control's" in outcome.out, outcome.err


@pytest.mark.slow
def test_what_is_handed_out_is_said_and_pushed(cli, command, tmp_path):
    run = tmp_path / "run"
    believed = ("--output-weight", 100, "--max-steps", 6)  # a teacher that knows nothing
    assert f"student: {run}/student.safetensors\n" in cli(*command, *believed, "--control").out
    outcome = cli("distill", "--resume", "-o", run, "--keep", "better")
    assert outcome.code == 0, outcome.err
    said = f"student: {run}/student.safetensors (the control, whose RMSE is lower; the distilled one is {run}/distilled"
    assert said in outcome.out
    pushed = cli("push", run, "--to", "you/depth", "--dry-run", "-o", tmp_path / "hub")
    assert pushed.code == 0, pushed.err
    card = (tmp_path / "hub" / "README.md").read_text()
    assert "this student is a control" in card and "|  | student |\n" in card


@pytest.mark.slow
def test_the_sweep_is_a_table_on_stdout_and_lines_on_stderr_as_it_goes(cli, command, tmp_path, monkeypatch):
    monkeypatch.setattr("disdepth_cli.cli.console.stdout.width", 80)
    outcome = cli(*command, "--sweep", "--sweep-steps", 1)
    assert outcome.code == 0, outcome.err
    for name in ("control", "x1"):
        assert any(line.startswith(f"sweep: {name} ") and "rmse" in line for line in outcome.err.splitlines())
        assert any(name in line and "0." in line for line in outcome.out.splitlines())
    assert "rmse - control's" in outcome.out and "…" not in outcome.out
    assert "sweep: x1 was taken" in outcome.out and "val was used to choose" in outcome.out
    assert "warning: the loss weights were chosen on the val images" in outcome.err


def test_a_dry_run_names_both_and_makes_nothing(cli, refused, command, tmp_path):
    both = ("--control", "--sweep", "--dry-run")
    outcome = cli(*command, *both, "--quiet")
    assert outcome.code == 0, outcome.err
    plan = dict(line.split(": ", 1) for line in outcome.out.splitlines())
    assert plan["control"] == f"2 steps, into {tmp_path}/run-control"
    assert plan["sweep"] == f"control, x1: 2 steps each, into {tmp_path}/run-sweep"
    assert list(tmp_path.iterdir()) == []
    plain = cli(*command, "--dry-run", "--json").json["plan"]
    assert plain["control"] is None and plain["sweep"] is None
    refused(2, ("--control", "contradicts --no-distill"), *command, *both, "--no-distill")
    refused(2, ("--sweep-steps 3", "the run's own 2"), *command, *both, "--sweep-steps", 3)
