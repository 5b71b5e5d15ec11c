"""benchmark: rows of every runtime, the teacher's beside them; students before any training, and a budget for one."""

from __future__ import annotations

import time

import pytest

from disdepth_cli import benchmark, distill, export
from disdepth_cli.errors import ConfigError, ExportError
from disdepth_cli.timing import budget
from disdepth_cli.timing.benchmark_rows import Entry, contest
from disdepth_cli.timing.clock import Spread, in_turns, timed

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def result(tiny_student, tiny_teacher, rooms, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    file = export(model=tiny_student, source="64x96", precision="fp16", output=folder)["file"]
    torn = folder / "torn.onnx"
    torn.write_bytes(b"nothing")
    return benchmark(
        models=[str(tiny_student), file, str(torn)], teacher=str(tiny_teacher), data=rooms, runs=3, input_size="64x96"
    )


@pytest.mark.slow
def test_a_student_is_timed_in_every_runtime_beside_its_teacher(result):
    rows = [row for row in result["rows"] if "failed" not in row]
    found = [(row["model"], row["runtime"].split()[0]) for row in rows]
    runtimes = ["PyTorch", "ONNX", "OpenVINO"]
    assert found[:3] == [("student.safetensors", name) for name in runtimes]
    assert found[3:5] == [("student-64x96-fp16.onnx", name) for name in runtimes[1:]]
    assert found[5:] == [("teacher", name) for name in runtimes]
    for row in rows:
        for times in (row["wall_ms"], row["cpu_ms"]):
            assert 0 < times["min"] <= times["median"] <= times["p95"]
        assert row["threads"] == 1 and row["load_s"] > 0 and row["start_s"] > row["load_s"]
    assert set(result["advantage"]) == {row["runtime"] for row in rows}


@pytest.mark.slow
def test_the_same_networks_depth_is_compared_and_its_accuracy_is_that_of_pytorch(result):
    torch, onnx, openvino, half, *_ = (row for row in result["rows"] if "failed" not in row)
    assert torch["parity"] is None and torch["x_torch"] == 1
    for row in (onnx, openvino):
        assert row["parity"]["mean"] < 1e-5 and row["precision"] == "fp32"
        assert row["accuracy"]["rmse"] == pytest.approx(torch["accuracy"]["rmse"], rel=1e-4)
    assert 1e-6 < half["parity"]["mean"] < 1e-2 and half["file_mb"] < 0.7 * onnx["file_mb"]
    teachers = [row["parity"]["mean"] for row in result["rows"] if row["model"] == "teacher" and row["parity"]]
    assert len(teachers) == 2 and max(teachers) < 1e-5


@pytest.mark.slow
def test_each_has_a_memory_of_its_own(result):
    torch, onnx, *_ = result["rows"]
    assert onnx["peak_mb"] < 0.6 * torch["peak_mb"]  # without PyTorch
    assert onnx["start_cpu_s"] < torch["start_cpu_s"]


@pytest.mark.slow
def test_what_fails_stays_in_the_table_with_its_reason(result):
    (failed,) = (row for row in result["rows"] if "failed" in row)
    assert failed["model"].endswith("torn.onnx") and "is damaged" in failed["failed"]


def test_a_process_that_dies_is_one_row(tiny_student, photo, monkeypatch, tmp_path):
    from disdepth_cli.timing import benchmark_rows as module

    killed = [*module.COMMAND[:2], "import os, sys; sys.stdin.readline(); os.kill(os.getpid(), 9)"]
    monkeypatch.setattr(module, "COMMAND", killed)
    (row,) = contest([Entry("a", str(tiny_student), "onnx", "a")], photo, (), runs=2, threads=1)
    assert row.failed == "its process ended with -9; out of memory?" and row.cpu is None


def test_models_take_turns_and_cpu_time_is_not_wall_time():
    order = []

    def sleeping():
        order.append("a")
        return timed(lambda: time.sleep(0.02))

    def working():
        order.append("b")
        return timed(lambda: sum(range(200_000)))

    found = in_turns({"sleep": sleeping, "work": working}, runs=3, warmup=1)
    assert order == ["a", "b"] * 4
    (wall, cpu), (_, busy) = found["sleep"], found["work"]
    assert wall.min >= 20 > 10 > cpu.median and busy.median > 0.5
    assert Spread.of([3, 1, 2]) == Spread(1, 2, 3)


@pytest.mark.slow
def test_students_are_priced_before_any_training():
    result = benchmark(students="mobilenetv3,resnet18", input_size="64x96", runs=3)
    small, large = result["students"]
    assert (small["student"], large["student"]) == ("mobilenetv3", "resnet18")
    assert small["flops"] < large["flops"] and 3e6 < small["parameters"] < large["parameters"]
    for one in (small, large):
        assert set(one["runtimes"]) == {"torch", "onnx"}
        assert all(row["cpu_ms"]["median"] > 0 for row in one["runtimes"].values())


@pytest.mark.slow
def test_a_budget_names_what_fits_and_changes_nothing(rooms, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "STUDENTS", {"mobilenetv3": "mobilenetv3_large_100"})  # each takes seconds
    options = {"data": rooms, "distill": False, "pretrained": False, "input_size": "64x96", "device": "cpu"}
    with pytest.raises(ConfigError, match=r"--budget 0.01ms: resnet10t: .* ms CPU .*; none fits; the fastest is"):
        distill(budget="0.01ms", student="resnet10t", output=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
    plan = distill(budget="1000ms", student="mobilenetv3", dry_run=True, **options)["plan"]
    assert plan["latency"].startswith("mobilenetv3: ") and "64x96, ONNX Runtime" in plan["latency"]
    assert len(plan["fits_budget"]) == 1 and plan["student"] == "mobilenetv3_large_100"


def test_without_a_budget_a_dry_run_times_the_student_in_pytorch(rooms):
    plan = distill(data=rooms, distill=False, student="mobilenetv3", input_size="64x96", device="cpu", dry_run=True)[
        "plan"
    ]
    assert plan["latency"].startswith("mobilenetv3: ") and "64x96, PyTorch" in plan["latency"]
    assert plan["fits_budget"] is None


def test_what_cannot_be_timed_is_refused(tiny_student, tmp_path):
    for options in ({}, {"models": [str(tiny_student)], "students": "resnet18"}):
        with pytest.raises(ConfigError, match="name models, or --students a,b,c"):
            benchmark(**options)
    with pytest.raises(ExportError, match="no such file"):
        benchmark(models=[str(tmp_path / "none.onnx")])
