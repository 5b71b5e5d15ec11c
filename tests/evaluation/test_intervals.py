"""Intervals: coverage, determinism, gaps; and the benchmark that prints them."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from disdepth_cli.evaluation import intervals
from disdepth_cli.evaluation.intervals import bootstrap_interval, paired_interval

RANDOM = np.random.default_rng(3)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    random = np.random.default_rng(0)
    held = 0
    for seed in range(300):
        low, high = bootstrap_interval(random.normal(5, 2, 60), seed=seed, draws=400, level=0.9)
        held += low <= 5 <= high
    assert 0.84 < held / 300 < 0.94


def test_it_is_as_wide_as_the_standard_error_says():
    values = RANDOM.normal(0, 1, 900)
    low, high = bootstrap_interval(values)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.003)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 30, rel=0.05)
    inner = bootstrap_interval(values, level=0.5)
    assert low < inner[0] < inner[1] < high


def test_the_seed_decides_and_chunks_do_not(monkeypatch):
    values = RANDOM.random(57)
    once = bootstrap_interval(values, draws=1000)
    assert once == bootstrap_interval(values, draws=1000) != bootstrap_interval(values, seed=1, draws=1000)
    means = np.random.default_rng(0).choice(values, (1000, 57)).mean(axis=1)
    assert once == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))
    monkeypatch.setattr(intervals, "CHUNK", 57 * 7 + 3)
    assert once == bootstrap_interval(values, draws=1000)


def test_images_without_a_value_are_left_out():
    values = RANDOM.random(40)
    assert bootstrap_interval([*values, np.nan, np.nan]) == bootstrap_interval(values)
    assert all(np.isnan(bootstrap_interval([np.nan, np.nan]))) and all(np.isnan(bootstrap_interval([])))
    assert bootstrap_interval([0.25]) == (0.25, 0.25)


def test_pairs_are_narrower_and_signed():
    image = RANDOM.random(200)  # how hard the image is, for both models
    worse, better = image + 0.02 + RANDOM.normal(0, 0.01, 200), image
    low, high = paired_interval(worse, better)
    assert 0.015 < low < high < 0.025
    assert paired_interval(better, worse) == pytest.approx((-high, -low), abs=1e-3)
    alone = bootstrap_interval(worse)
    assert high - low < 0.2 * (alone[1] - alone[0])


def test_a_pair_with_a_gap_is_left_out_and_a_missing_image_is_an_error():
    first, second = RANDOM.random((2, 30))
    gap = first.copy()
    gap[3] = np.nan
    assert paired_interval(gap, second) == paired_interval(np.delete(first, 3), np.delete(second, 3))
    with pytest.raises(ValueError, match="same images, not 30 and 29"):
        paired_interval(first, second[1:])


def test_compare_runs_prints_the_gain_with_its_interval(tmp_path, capsys):
    file = Path(__file__).parents[2] / "benchmarks" / "compare_runs.py"
    spec = importlib.util.spec_from_file_location("compare_runs", file)
    compare_runs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(compare_runs)
    values = {"control": RANDOM.uniform(0.2, 0.4, 25)}
    values["student"] = values["control"] - RANDOM.uniform(0.01, 0.03, 25)
    for name, of_images in values.items():
        means = dict.fromkeys(compare_runs.METRICS, float(of_images.mean()))
        (tmp_path / f"{name}.json").write_text(json.dumps({**means, "images": 25}))
        lines = [
            f"{index:02},{','.join([str(value)] * 9)},," for index, value in enumerate(of_images)
        ]  # details: no value
        header = ",".join(["image", *compare_runs.METRICS, "pair_accuracy", "boundary_f1"])
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *lines]))
    compare_runs.main([tmp_path / "control.json", tmp_path / "student.json"])
    low, high = paired_interval(values["control"], values["student"])
    printed = capsys.readouterr().out
    gain = (values["control"] - values["student"]).mean()
    assert f"abs_rel  better by {gain:+.4f} [{low:+.4f}, {high:+.4f}]" in printed and low > 0
    assert f"delta1   better by {-gain:+.4f} [{-high:+.4f}, {-low:+.4f}]" in printed
