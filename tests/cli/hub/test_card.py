"""The model card and what lies beside it: true to the run, plain about licences, silent about this machine."""

from __future__ import annotations

import getpass
import io
import json
import re
import shutil
import socket

import numpy as np
import pytest
import safetensors.torch
import yaml
from huggingface_hub import ModelCard
from PIL import Image

from disdepth_cli import Depth
from disdepth_cli.checkpoint.metadata import HEADER_KEY, read_metadata

TEACHER = {
    "id": "depth-anything/Some-Teacher-hf",
    "kind": "metric_depth",
    "revision": "0123456789abcdef0123456789abcdef01234567",
    "licence": "apache-2.0",
    "fingerprint": "0011223344556677",
    "channels": [24, 24, 24, 24],
    "reductions": [14, 14, 14, 14],
}


@pytest.fixture
def cards(cli, tmp_path):
    """`cards(source, *options)` -> the files that would be sent, by name, and the command's outcome as `json`."""

    def write(source, *options):
        out = tmp_path / "out"
        outcome = cli("push", source, "--to", "someone/rooms", "--dry-run", "-o", out, "--json", *options)
        assert outcome.code == 0, outcome.err
        return {path.name: path.read_bytes() for path in out.iterdir()}, outcome.json

    return write


@pytest.fixture
def relabelled(student, tmp_path):
    """`relabelled(**fields)` -> the student's file with other fields in its header."""

    def write(**fields):
        file = tmp_path / "other.safetensors"
        header = read_metadata(student).model_dump(mode="json") | fields
        safetensors.torch.save_file(safetensors.torch.load_file(student), file, {HEADER_KEY: json.dumps(header)})
        return file

    return write


def card_of(files):
    return ModelCard(files["README.md"].decode())


def test_the_front_matter_is_what_the_hub_reads(cards, control, rooms):
    files, _ = cards(control, "--licence", "apache-2.0")
    data = card_of(files).data
    assert (data.library_name, data.pipeline_tag, data.license) == ("disdepth", "depth-estimation", "apache-2.0")
    assert data.base_model is None and {"disdepth", "metric-depth", "mobilenetv2_100"} <= set(data.tags)
    report = json.loads((control / "report.json").read_text())
    assert {result.metric_type: result.metric_value for result in data.eval_results} == {
        name: round(value, 4) for name, value in report["best"].items()
    }
    assert {(result.dataset_name, result.dataset_split) for result in data.eval_results} == {(rooms.parent.name, "val")}
    assert data.eval_results[0].dataset_args == {"protocol": "plain", "align": "none"}
    config = json.loads(files["config.json"])
    assert (config["library_name"], config["backbone"], config["unit"]) == ("disdepth", "mobilenetv2_100", "metres")
    assert config["max_depth"] == 10.0 and "teacher" not in config


def test_the_figures_and_the_recipe_are_the_runs(cards, control):
    files, _ = cards(control)
    text = card_of(files).text
    best = json.loads((control / "report.json").read_text())["best"]
    assert (
        f"| RMSE [m] | {best['rmse']:.4f} |" in text and "protocol `plain`" in text and "against ground truth" in text
    )
    recipe = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    metadata = read_metadata(control / "student.safetensors")
    assert recipe == {name: value for name, value in metadata.recipe.items() if value is not None}
    assert "0.001 to 10 m" in text and "a control" in text
    assert not {"push_to_hub", "private", "licence", "dry_run"} & set(recipe)


def test_the_control_stands_beside_the_student(cards, refused, control, tmp_path):
    other = shutil.copytree(control, tmp_path / "other")
    report = json.loads((other / "report.json").read_text())
    report["best"]["rmse"] = 1.2345
    (other / "report.json").write_text(json.dumps(report))
    files, _ = cards(control, "--control", other)
    best = json.loads((control / "report.json").read_text())["best"]
    text = card_of(files).text
    assert "|  | student | control |" in text and f"| RMSE [m] | {best['rmse']:.4f} | 1.2345 |" in text
    report["protocol"]["max_depth"] = 7
    (other / "report.json").write_text(json.dumps(report))
    refused(2, ("--control", "another protocol"), "push", control, "--to", "a/b", "--dry-run", "--control", other)


def test_figures_against_a_teacher_are_not_indexed_as_accuracy(cards, control, tmp_path):
    run = shutil.copytree(control, tmp_path / "run")
    report = json.loads((run / "report.json").read_text()) | {"scored_against": "the acclimated teacher's depth"}
    (run / "report.json").write_text(json.dumps(report))
    card = card_of(cards(run)[0])
    assert card.data.eval_results is None and "against the acclimated teacher's depth" in card.text


class TestLicence:
    def test_a_permissive_teacher_leaves_it_open(self, cards, relabelled):
        files, result = cards(relabelled(teacher=TEACHER))
        card = card_of(files)
        assert card.data.license == "unknown" == result["licence"] and result["warnings"] == []
        assert card.data.base_model == TEACHER["id"] and "knowledge-distillation" in card.data.tags
        for word in (TEACHER["id"], TEACHER["revision"], TEACHER["fingerprint"], "apache-2.0", "metric depth"):
            assert word in card.text
        assert "Warning" not in card.text

    @pytest.mark.parametrize("given", [None, "apache-2.0"])
    def test_a_non_commercial_teacher_is_never_passed_over(self, given, cli, cards, relabelled, tmp_path):
        file = relabelled(teacher=TEACHER | {"licence": "cc-by-nc-4.0"})
        files, result = cards(file, *(("--licence", given) if given else ()))
        assert card_of(files).data.license == (given or "cc-by-nc-4.0") == result["licence"]
        assert "> **Warning.** The teacher depth-anything/Some-Teacher-hf is under cc-by-nc-4.0" in card_of(files).text
        loud = cli(
            "push", file, "--to", "a/b", "--dry-run", "-o", tmp_path / "o", *(("--licence", given) if given else ())
        )
        assert "warning: The teacher" in loud.err and "commercial" in loud.err

    def test_a_teacher_without_a_licence(self, cards, relabelled):
        files, result = cards(relabelled(teacher=TEACHER | {"licence": None}))
        assert "states no licence" in card_of(files).text and len(result["warnings"]) == 1
        assert "**not stated**" in card_of(files).text

    def test_a_licence_that_the_hub_does_not_list(self, cards, relabelled):
        data = card_of(cards(relabelled(teacher=TEACHER | {"licence": "My Lab Licence 2"}))[0]).data
        assert (data.license, data.license_name) == ("other", "my-lab-licence-2")


def test_a_local_teacher_is_named_and_is_no_base_model(cards, relabelled):
    card = card_of(cards(relabelled(teacher=TEACHER | {"id": "my-teacher", "revision": None}))[0])
    assert card.data.base_model is None and "`my-teacher`" in card.text and "local files" in card.text


def test_a_timm_teacher_has_a_repository_too(cards, relabelled):
    name = "timm:vit_small_patch14_dinov2.lvd142m"
    card = card_of(cards(relabelled(teacher=TEACHER | {"id": name, "kind": "none"}))[0])
    assert card.data.base_model == "timm/vit_small_patch14_dinov2.lvd142m"


@pytest.mark.parametrize(("kind", "what"), [("disparity", "larger is nearer"), ("relative_depth", "larger is farther")])
def test_relative_output_is_never_called_metres(kind, what, cards, relabelled, photo):
    files, _ = cards(relabelled(output_kind=kind), "--picture", photo)
    card = card_of(files)
    without_figures = card.text.split("## Figures")[0] + card.text.split("## Recipe")[1]
    assert what in card.text and "they give no metres" in card.text
    assert "metres" not in without_figures.replace("they give no metres", "")
    assert not re.search(r"\d m\b", without_figures)
    assert kind.replace("_", "-") in card.data.tags and "metric-depth" not in card.data.tags
    assert "none" in json.loads(files["config.json"])["unit"]


class TestPicture:
    def test_by_default_a_rendered_room(self, cards, control):
        files, _ = cards(control)
        assert "A room rendered by disdepth" in files["README.md"].decode()
        assert "![image and predicted depth](depth.png)" in files["README.md"].decode()

    def test_not_for_a_student_of_the_outdoors(self, cards, control, relabelled):
        cards(control)
        files, _ = cards(relabelled(max_depth=80.0))
        assert set(files) == {"student.safetensors", "config.json", "README.md"}  # an earlier look's picture is gone
        assert "(No picture: `disdepth push --picture IMAGE` adds one.)" in files["README.md"].decode()

    @pytest.mark.slow
    def test_given_images_and_those_of_the_data(self, cards, control, photo):
        heights = []
        for options, words in (
            (("--picture", photo), "Images chosen by whoever published"),
            (("--picture", photo, "--picture", photo), "Images chosen by whoever published"),
            (("--picture-from-data",), "Validation images of the training data"),
        ):
            files, _ = cards(control, *options)
            assert words in files["README.md"].decode()
            picture = Image.open(io.BytesIO(files["depth.png"]))
            assert picture.info == {}  # no text, so no name
            heights.append(picture.height)
        assert heights[1] > 1.8 * heights[0] and heights[2] > 2.7 * heights[0]  # a row each; three val images

    def test_what_cannot_be_shown(self, refused, control, student, photo, tmp_path):
        command = ("--to", "a/b", "--dry-run", "-o", tmp_path / "out")
        refused(1, (tmp_path / "no.png",), "push", control, *command, "--picture", tmp_path / "no.png")
        refused(2, ("--picture-from-data", "names no data"), "push", student, *command, "--picture-from-data")
        both = ("--picture-from-data", "--picture", photo)
        refused(2, ("--picture-from-data", "contradicts"), "push", control, *command, *both)
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_nothing_of_this_machine_is_in_any_file(cards, cli, own_rooms, short, tmp_path, monkeypatch):
    """A run whose every path speaks of its owner; and the same files come out on another day."""
    monkeypatch.setenv("HOME", str(tmp_path))
    data = shutil.move(own_rooms.parent, tmp_path / "alice-home" / "warehouse")
    run = tmp_path / "alice-home" / "runs" / "alices-run"
    trained = cli("distill", "--no-distill", "--data", f"{data}/data.yaml", "-o", run, *short)
    assert trained.code == 0, trained.err
    files, _ = cards(run, "--picture-from-data")
    assert "`warehouse`" in files["README.md"].decode()
    secrets = ["alice", str(tmp_path), "/tmp", "/home", "/root", socket.gethostname(), "data.yaml", ".txt"]
    secrets += [name for name in {getpass.getuser()} if name != "root"]
    for name, content in files.items():
        if name != "depth.png":  # compressed pixels; it has no text, as tested above
            head = content if name != "student.safetensors" else content[: 8 + int.from_bytes(content[:8], "little")]
            text = head.decode(errors="replace")
            assert not [secret for secret in secrets if secret in text], name
            assert not re.search(r"20\d\d-\d\d|\d\d:\d\d:\d\d", text), name
    shutil.rmtree(tmp_path / "out")
    assert cards(run, "--picture-from-data")[0] == files


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("/somewhere/nyu/data.yaml", "nyu"),
        ("/somewhere/sets/kitti_depth.yaml", "kitti_depth"),
        ("/somewhere/photos", "photos"),
        ("/home/alice", None),
        ("/home/alice/data.yaml", None),
        (["/a", "/b"], None),
    ],
)
def test_the_datas_name(data, name, monkeypatch):
    from disdepth_cli.outputs.card.facts import data_name

    monkeypatch.setenv("HOME", "/home/alice")
    assert data_name({"data": data}) == name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # as in test_push.py
def test_the_lines_of_the_card_run(cli, hub, control, rooms, photo, tmp_path, monkeypatch):
    assert cli("push", control, "--to", "someone/rooms", "--revision", "v1").code == 0
    text = ModelCard(hub.files("someone/rooms", "v1")["README.md"].decode()).text
    names: dict = {}
    monkeypatch.chdir(tmp_path)
    shutil.copy(photo, tmp_path / "image.png")
    exec(text.split("```python\n")[1].split("```")[0], names)
    depth = names["depth"]
    assert depth.values.shape == (64, 96) and np.isfinite(depth.values).all() and depth.unit == "metres"
    assert Depth.load(tmp_path / "depth.png").unit == "metres"
    for line in text.split("## How to use it\n\n```\n")[1].split("```")[0].strip().splitlines():
        outcome = cli(*line.replace("DATA", str(rooms)).split()[1:], "--device", "cpu")
        assert outcome.code == 0, outcome.err
    assert (tmp_path / "predictions" / "image_depth.png").is_file()
