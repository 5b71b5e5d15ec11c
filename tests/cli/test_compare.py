"""disdepth compare: runs side by side, from their reports."""

from __future__ import annotations

import csv
import io
import json

import pytest
import yaml

GAIN = {"student": 0.8, "control": 1.0, "difference": -0.2, "interval": [-0.3, -0.1], "relative": -0.2}
GAIN |= {"verdict": "better", "images": 20}


@pytest.fixture
def runs(tmp_path):
    """Two finished runs as distill leaves them, one with a control, and one that is not finished."""
    for name, more in (("with", {"gain": {"rmse": GAIN}}), ("without", {})):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump({"verb": "distill", "student": "resnet18", "seed": 3}))
        report = {"protocol": {"name": "plain"}, "scored_against": "ground truth", "steps": 7, "seconds": 12.3, **more}
        report |= {"best": {"rmse": 0.8, "abs_rel": 0.25, "delta1": 0.5}, "teacher": {"id": "owner/big"}}
        report |= {"cost": {"student": {"parameters": 3_180_000, "flops": 2_100_000_000}}}
        (folder / "report.json").write_text(json.dumps(report))
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.yaml").write_text(yaml.safe_dump({"verb": "distill"}))
    return tmp_path


def test_a_table_has_scores_gain_and_cost(cli, runs):
    out = cli("compare", runs / "with", runs / "without").out
    for word in ("resnet18", "owner/big", "0.8000", "-20.0 % [-30.0, -10.0]", "3.18 M", "2.10 G"):
        assert word in out


def test_csv_and_markdown_hold_the_same(cli, runs):
    rows = list(csv.DictReader(io.StringIO(cli("compare", runs / "with", runs / "without", "--format", "csv").out)))
    assert [row["rmse vs control"] for row in rows] == ["-20.0 % [-30.0, -10.0]", ""]
    markdown = cli("compare", runs / "with", "--format", "markdown").out
    assert markdown.lstrip().startswith("| run") and "| -20.0 % [-30.0, -10.0] |" in markdown


def test_python_and_json_give_numbers(cli, runs):
    from disdepth_cli.config import CompareConfig
    from disdepth_cli.engine.compare import compare

    row = compare(CompareConfig(runs=[runs / "with"])).runs[0]
    assert row["gain_interval"] == pytest.approx([-30, -10]) and row["verdict"] == "better"
    assert cli("compare", runs / "with", "--json").json["runs"][0] == row


def test_what_cannot_be_compared_is_told(cli, refused, runs):
    refused(2, ("begun", "is not finished", "--resume"), "compare", runs / "begun")
    refused(2, ("nothing", "holds no run"), "compare", runs / "nothing")
    report = json.loads((runs / "with" / "report.json").read_text())
    (runs / "with" / "report.json").write_text(json.dumps(report | {"protocol": {"name": "nyu-eigen"}}))
    assert "different protocols" in cli("compare", runs / "with", runs / "without").err


@pytest.mark.parametrize(
    "damage", [{"protocol": ...}, {"best": 7}, {"cost": []}, {"gain": {"rmse": {}}}, {"teacher": "x"}]
)
def test_a_damaged_report_is_one_line_with_its_file(refused, runs, damage):
    file = runs / "with" / "report.json"
    report = json.loads(file.read_text()) | damage
    file.write_text(json.dumps({name: value for name, value in report.items() if value is not ...}))
    refused(2, (str(file), "is damaged", "--resume"), "compare", runs / "without", runs / "with")
