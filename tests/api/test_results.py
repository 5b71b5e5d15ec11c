"""Results: typed fields in Python, and as plain values what `--json` prints: no key of before is lost."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from disdepth_cli import acclimate, check, distill, evaluate, pack, predict, push
from disdepth_cli.cli.app import main
from disdepth_cli.results.result import Result
from disdepth_cli.results.training import AcclimateReport, DistillReport

KEYS = json.loads((Path(__file__).parent / "json_keys.json").read_text())
"""Of version 0.1.0's output on the same data: every object's keys; of a list those of its first entry."""

TINY = {"input_size": "64x96", "max_steps": 3, "batch_size": 4, "workers": 0, "offline": True, "device": "cpu"}
FLAGS = (
    *("--input-size", "64x96", "--max-steps", "3", "--batch-size", "4", "--workers", "0", "--offline"),
    *("--device", "cpu", "--no-pretrained"),
)
MOVES = {"seconds", "images_per_second", "latency_ms"}


def keys(value):
    if isinstance(value, dict):
        return {name: keys(one) for name, one in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def lost(before, now, where="result"):
    """Keys that there were and that are gone; new ones may come."""
    if isinstance(before, list):
        return lost(before[0], now[0], f"{where}[0]") if now else [f"{where}[0]"]
    gone = [f"{where}.{name}" for name in before or {} if name not in (now or {})]
    both = [name for name in before or {} if name in (now or {})]
    return gone + [key for name in both for key in lost(before[name], now[name], f"{where}.{name}")]


def still(value):
    """The value without what differs from run to run."""
    if isinstance(value, dict):
        return {name: still(one) for name, one in value.items() if name not in MOVES}
    return [still(one) for one in value] if isinstance(value, list) else value


@pytest.fixture
def printed(monkeypatch, capsys):
    """`printed(*args)` -> what `disdepth *args --json` prints."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["disdepth", *map(str, args), "--json"])
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main()
        out, err = capsys.readouterr()
        assert out, err
        return json.loads(out)

    return run


def agree(result, shown, name):
    """The result, its dictionary and what was printed are one, with the keys that there were before."""
    plain = json.loads(json.dumps(result.as_dict()))
    assert keys(plain) == keys(shown) and lost(KEYS[name], keys(plain)) == []
    assert still(plain) == still(shown)
    assert dict(result) == result.as_dict() and isinstance(result, Result)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(result, dataclasses.fields(result)[0].name, None)


def test_plans(desk, printed, acclimated):
    shown = printed("acclimate", "--teacher", "teacher", "--dry-run")
    agree(acclimate("teacher", dry_run=True), shown, "acclimate_dry")
    plan = distill("data.yaml", teacher=acclimated, pretrained=False, dry_run=True, **TINY)
    shown = printed("distill", "--data", "data.yaml", "-t", acclimated, "--dry-run", *FLAGS)
    shown["plan"]["latency"] = plan.plan["latency"]  # measured anew
    agree(plan, shown, "distill_dry")


@pytest.mark.slow
def test_runs(desk, printed, acclimated):
    report = {"run": str(acclimated), **json.loads((acclimated / "report.json").read_text())}
    agree(AcclimateReport.of(report), report, "acclimate")
    shown = printed("distill", "--data", "data.yaml", "-t", acclimated, "--control", "-o", "run", *FLAGS)
    both = DistillReport.of(shown)
    expected = {name: value for name, value in KEYS["distill_all"].items() if name != "sweep"}
    assert lost(expected, keys(shown)) == [] and both.as_dict() == shown and both.more == {}
    assert both.gain["rmse"]["student"] == pytest.approx(both.best["rmse"]) and both.control["steps"] == 3
    sent = push("run", "a/b", dry_run=True)
    agree(sent, printed("push", "run", "--to", "a/b", "--dry-run"), "push")
    alone = distill("data.yaml", distill=False, pretrained=False, output="none", **TINY)
    agree(alone, json.loads(json.dumps(alone.as_dict())), "distill_none")
    assert (alone.distilled, alone.teacher, alone.gain, alone.run, alone.more) == (False, None, None, "none", {})
    older = {name: value for name, value in alone.as_dict().items() if name not in ("processes", "teacher_cache")}
    again = DistillReport.of({**older, "new": 1})  # of another version: nothing is lost
    assert again.more == {"new": 1} and again.as_dict() == {**alone.as_dict(), "new": 1}


def test_scores(desk, printed):
    common = ("--data", "data.yaml", "--device", "cpu", "--workers", "0", "--teacher", "teacher")
    options = {"device": "cpu", "workers": 0, "teacher": "teacher"}
    shown = printed("evaluate", "bundled", *common, "--worst", "1", "-o", "worst")
    agree(evaluate("bundled", "data.yaml", worst=1, output="worst", **options), shown, "evaluate")
    assert "worst" not in evaluate("bundled", "data.yaml", baselines=False).as_dict()


def test_data_and_images(desk, printed):
    agree(check("data.yaml"), printed("check", "data.yaml"), "check")
    packed = pack("data.yaml", "one", workers=0)
    shown = printed("pack", "data.yaml", "-o", "two", "--workers", "0")
    agree(dataclasses.replace(packed, output="two", index="two/index.json"), shown, "pack")
    shown = printed("predict", "image.png", "other.png", "--device", "cpu")
    assert Path(shown["results"][0]["depth"]) == Path("predictions/image_depth.png")  # the command's own folder
    images = ["image.png", "other.png"]
    agree(predict(images, output="predictions", device="cpu"), shown, "predict")
    shown = printed("predict", *images, "--device", "cpu", "--save-numpy", "-o", "out", "--checkpoint", "bundled")
    agree(predict(images, output="out", device="cpu", save_numpy=True), shown, "predict_numpy")
