"""disdepth list: what other commands take, and what is known of it."""

from __future__ import annotations

import pytest

from disdepth_cli.config import STUDENTS
from disdepth_cli.config.teacher_name import WELL_KNOWN
from disdepth_cli.data.sets.catalogue import FORMATS as OF_DATA
from disdepth_cli.evaluation.protocols import PROTOCOLS
from disdepth_cli.exporting.format_table import FORMATS


def test_students_are_counted(cli) -> None:
    """Parameters are those that a built student has; and they are timed where that is asked for."""
    from disdepth_cli.config.parts import StudentOptions
    from disdepth_cli.timing.student_costs import untrained

    found = cli("list", "students", "--input-size", "64x96", "--latency", "--json").json
    by_name = {row["student"]: row for row in found["rows"]}
    assert set(by_name) == set(STUDENTS) and found["input_size"] == "64x96"
    built = untrained(StudentOptions(backbone="resnet18", input_size="64x96")).predictor("cpu", "fp32")
    assert by_name["resnet18"]["parameters"] == built.parameters
    assert 5e7 < by_name["ghostnet"]["flops"] < by_name["resnet18"]["flops"]
    assert all(row["cpu_ms"] > 0 and row["threads"] >= 1 for row in found["rows"])


def test_every_family_that_can_teach_has_an_example(cli) -> None:
    from disdepth_cli.teachers.architectures import ARCHITECTURES

    rows = cli("list", "teachers", "--json").json["rows"]
    assert {model_type for model_type, _ in WELL_KNOWN.values()} == set(ARCHITECTURES)
    assert {row["family"] for row in rows} == {"transformers", "timm", "yours"}
    shown = cli("list", "teachers").out.splitlines()
    assert all(any(line.split()[:1] == [name] for line in shown) for name in WELL_KNOWN)  # an id is never broken
    assert max(map(len, shown)) <= 80


@pytest.mark.parametrize(("what", "names"), [("protocols", PROTOCOLS), ("formats", [*FORMATS, *OF_DATA])])
def test_nothing_is_left_out(what: str, names: list[str], cli) -> None:
    rows = cli("list", what, "--json").json["rows"]
    assert [row[what.removesuffix("s")] for row in rows] == [*names]
    shown = cli("list", what).out
    assert all(name in shown for name in names)


def test_ranges_of_protocols(cli) -> None:
    lines = {line.split()[0]: line for line in cli("list", "protocols").out.splitlines() if line.strip()}
    assert "0.001 to 80 m" in lines["kitti-eigen-garg"] and "652" in lines["kitti-eigen-garg"]
    assert "the data's" in lines["plain"]


def test_an_unknown_list_names_those_there_are(refused) -> None:
    refused(2, ("students", "protocols", "got 'studnts'"), "list", "studnts")
