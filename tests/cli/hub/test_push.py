"""A student goes to the Hub in one commit, with its card; what goes wrong is one line, and nothing is lost."""

from __future__ import annotations

import hashlib
import json
import re
import shutil

import huggingface_hub
import pytest
import yaml

# huggingface_hub 2.4 hands LFS content to its HTTP library in a way the latter has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

FILES = {"student.safetensors", "config.json", "README.md", "depth.png"}
WRITES = ("POST", "PUT")


def writes(hub):
    return [asked for asked in hub.requests if asked.startswith(WRITES)]


@pytest.fixture
def run(control, tmp_path):
    """A finished run that a test may spoil."""
    return shutil.copytree(control, tmp_path / "run")


def test_a_push_sends_weights_config_card_and_picture_in_one_commit(cli, hub, run):
    outcome = cli("push", run, "--to", "someone/rooms", "--licence", "apache-2.0")
    assert outcome.code == 0, outcome.err
    files = hub.files("someone/rooms")
    assert set(files) == FILES | {".gitattributes"}
    assert files["student.safetensors"] == (run / "student.safetensors").read_bytes()
    assert files["depth.png"].startswith(b"\x89PNG")
    assert len([asked for asked in hub.requests if "/commit/" in asked]) == 1
    assert (
        f"pushed: {hub.url}/someone/rooms (commit {hub.repositories['someone/rooms'].branches['main']})" in outcome.out
    )
    assert not hub.repositories["someone/rooms"].private
    assert not (run / "hub").exists()

    again = cli("push", run, "--to", "someone/rooms", "--licence", "mit", "--json")  # into what is there already
    assert again.code == 0 and again.json["sent"] and again.json["licence"] == "mit"
    assert b"license: mit" in hub.files("someone/rooms")["README.md"]
    assert {file["name"]: file["bytes"] for file in again.json["files"]}["student.safetensors"] == len(
        files["student.safetensors"]
    )


def test_private_and_a_branch(cli, hub, student):
    outcome = cli("push", student, "--to", "robots/rooms", "--private", "--revision", "v2", "--json")
    assert outcome.code == 0, outcome.err
    repository = hub.repositories["robots/rooms"]
    assert repository.private and set(repository.branches) == {"main", "v2"}
    assert set(hub.files("robots/rooms")) == {".gitattributes"}
    card = hub.files("robots/rooms", "v2")["README.md"].decode()
    assert "--model robots/rooms --revision v2" in card and 'from_pretrained("robots/rooms", revision="v2")' in card
    assert outcome.json["commit"] == repository.branches["v2"] and outcome.json["revision"] == "v2"


def test_a_dry_run_needs_no_network_and_no_token(cli, hub, run, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    outcome = cli("push", run, "--to", "someone/rooms", "--dry-run", "--offline", "--quiet")
    assert outcome.code == 0, outcome.err
    assert hub.requests == []
    assert {path.name for path in (run / "hub").iterdir()} == FILES
    for path in (run / "hub").iterdir():
        assert re.search(rf"\b{path.stat().st_size:,} bytes  {re.escape(path.name)}", outcome.out)
    assert f"nothing was sent; look at: {run / 'hub'}" in outcome.out
    elsewhere = cli("push", run / "student.safetensors", "--to", "a/b", "--dry-run", "-o", tmp_path / "out", "--json")
    assert elsewhere.json["folder"] == str(tmp_path / "out") and not elsewhere.json["sent"]
    assert (tmp_path / "out" / "student.safetensors").read_bytes() == (run / "student.safetensors").read_bytes()


def test_what_is_written_is_what_is_sent(cli, hub, run):
    assert cli("push", run, "--to", "someone/rooms", "--dry-run").code == 0
    assert cli("push", run, "--to", "someone/rooms").code == 0
    sent = hub.files("someone/rooms")
    assert {path.name: path.read_bytes() for path in (run / "hub").iterdir()} == {name: sent[name] for name in FILES}


@pytest.mark.parametrize("name", ["rooms", "a/b/c", "some one/rooms", "../rooms", "-a/rooms", "someone/a--b"])
def test_a_name_that_can_be_no_repository(name, refused, hub, run):
    refused(2, (f"--to {name}",), "push", run, f"--to={name}", "--dry-run")
    refused(2, (f"--push-to-hub {name}",), "distill", "--resume", "-o", run, f"--push-to-hub={name}")
    assert hub.requests == []


@pytest.mark.slow
def test_what_is_no_finished_student(refused, hub, run, acclimated, tmp_path):
    to = ("--to", "someone/rooms")
    refused(1, (tmp_path / "no", "no such run or file"), "push", tmp_path / "no", *to)
    refused(1, (acclimated, "holds no student.safetensors"), "push", acclimated, *to)
    refused(1, ("acclimated", "student.safetensors"), "push", acclimated / "acclimated.safetensors", *to)
    refused(2, ("--output", "--dry-run"), "push", run, *to, "-o", tmp_path / "out")
    refused(2, ("--control", "no finished control"), "push", run, *to, "--control", acclimated)
    (run / "report.json").unlink()
    refused(1, (run, "is unfinished", "--resume"), "push", run, *to)
    (run / "student.safetensors").write_bytes((run / "student.safetensors").read_bytes()[:-9])
    refused(1, ("not a whole safetensors file",), "push", run / "student.safetensors", *to)
    assert writes(hub) == []


TROUBLE = [
    ("POST /api/repos/create", 401, "token is not accepted"),
    ("POST /api/repos/create", 403, "may not write to someone"),
    ("/commit/", 401, "token is not accepted"),
    ("/commit/", 403, "may not write to someone"),
    ("/commit/", 409, "changed at the same moment"),
    ("/commit/", 429, "no more requests"),
    ("/commit/", 500, "problem of its own (500)"),
    ("PUT /objects", 403, "may not write to someone"),
    ("/api/validate-yaml", 400, "refuses what was sent"),
]


@pytest.mark.parametrize(("where", "status", "words"), TROUBLE)
def test_a_refused_push_is_one_line_and_changes_nothing(where, status, words, refused, cli, hub, run):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    hub.failures = {where: status}
    line = refused(1, ("--to someone/rooms", words), "push", run, "--to", "someone/rooms")
    assert len(line) < 400
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    stored = hub.repositories.get("someone/rooms")
    assert stored is None or set(hub.files("someone/rooms")) == {".gitattributes"}
    hub.failures = {}
    assert cli("push", run, "--to", "someone/rooms").code == 0  # the same command, once the trouble is over
    assert set(hub.files("someone/rooms")) >= FILES


class TestBeforeTraining:
    """distill --push-to-hub finds out at once what would fail after hours."""

    @pytest.fixture
    def command(self, rooms, short, tmp_path):
        options = [option for option in short if option != "--offline"]
        return ("distill", "--no-distill", "--data", rooms, "-o", tmp_path / "new", *options, "--push-to-hub")

    def test_no_token(self, refused, hub, command, monkeypatch, tmp_path):
        monkeypatch.delenv("HF_TOKEN")
        refused(1, ("--push-to-hub someone/rooms", "no token", "hf auth login"), *command, "someone/rooms")
        assert not (tmp_path / "new").exists() and hub.requests == []

    def test_offline(self, refused, hub, command, monkeypatch, tmp_path):
        refused(2, ("--push-to-hub someone/rooms", "--offline"), *command, "someone/rooms", "--offline")
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        refused(2, ("--push-to-hub someone/rooms", "HF_HUB_OFFLINE"), *command, "someone/rooms")
        assert not (tmp_path / "new").exists() and hub.requests == []

    @pytest.mark.parametrize(
        ("failures", "words"),
        [({"whoami": 401}, "not accepted"), ({"whoami": 503}, "problem of its own (503)"), ({"whoami": 429}, "429")],
    )
    def test_the_hub_says_no(self, failures, words, refused, hub, command, tmp_path):
        hub.failures = failures
        refused(1, ("--push-to-hub someone/rooms", words), *command, "someone/rooms")
        assert not (tmp_path / "new").exists()

    def test_the_hub_is_not_there(self, refused, hub, command, monkeypatch, tmp_path):
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
        refused(1, ("--push-to-hub someone/rooms", "is not reachable"), *command, "someone/rooms")
        assert not (tmp_path / "new").exists()

    def test_a_token_that_may_not_write_there(self, refused, hub, command, tmp_path):
        refused(1, ("may not write to else", "someone, robots"), *command, "else/rooms")
        hub.account = {"name": "someone", "auth": {"accessToken": {"role": "read"}}}
        refused(1, ("token may only read",), *command, "someone/rooms")
        assert not (tmp_path / "new").exists()


class TestWithDistill:
    @pytest.fixture
    def command(self, rooms, short, tmp_path):
        options = [option for option in short if option != "--offline"]
        return ("distill", "--no-distill", "--data", rooms, "-o", tmp_path / "new", *options)

    def test_a_run_ends_with_a_push_and_has_the_same_bytes(self, cli, hub, command, student, tmp_path):
        outcome = cli(*command, "--push-to-hub", "someone/rooms", "--private", "--json")
        assert outcome.code == 0, outcome.err
        assert outcome.json["push"]["sent"] and outcome.json["push"]["to"] == "someone/rooms"
        assert hub.files("someone/rooms")["student.safetensors"] == student.read_bytes()
        assert hub.repositories["someone/rooms"].private
        report = json.loads((tmp_path / "new" / "report.json").read_text())
        assert "push" not in report and report["best"] == outcome.json["best"]

    def test_a_push_that_fails_after_training_loses_nothing(self, cli, refused, hub, command, student, tmp_path):
        hub.failures = {"/commit/": 500}
        run = tmp_path / "new"
        again = f"disdepth push {run} --to someone/rooms --licence mit"
        words = ("--to someone/rooms", "(500)", "the student is complete", again)
        refused(1, words, *command, "--push-to-hub", "someone/rooms", "--licence", "mit")
        assert (run / "student.safetensors").read_bytes() == student.read_bytes()
        assert (run / "report.json").is_file()
        hub.failures = {}
        assert cli(*again.split()[1:]).code == 0
        assert hub.files("someone/rooms")["student.safetensors"] == student.read_bytes()

    def test_resuming_a_finished_run_only_pushes(self, cli, hub, run, monkeypatch):
        """Its data may be gone, and it was started with --offline."""
        from disdepth_cli.engine import distill as engine

        assert yaml.safe_load((run / "config.yaml").read_text())["offline"] is True
        monkeypatch.setattr(engine, "train_student", lambda *_: pytest.fail("a finished run was trained again"))
        before = {name: (run / name).read_bytes() for name in ("student.safetensors", "report.json", "metrics.csv")}
        outcome = cli("distill", "--resume", "-o", run, "--push-to-hub", "someone/rooms", "--licence", "mit")
        assert outcome.code == 0, outcome.err
        assert hub.files("someone/rooms")["student.safetensors"] == before["student.safetensors"]
        assert {name: (run / name).read_bytes() for name in before} == before
        assert "abs_rel" in outcome.out and "pushed: " in outcome.out

    @pytest.mark.slow
    def test_what_is_sent_is_what_the_options_ask_for(self, cli, hub, acclimated, rooms, short, tmp_path):
        """With its control, which is the better one here; and again without."""
        run, options = tmp_path / "new", [option for option in short if option != "--offline"]
        believed = ("--output-weight", 100, "--max-steps", 6, "--control", "--keep", "better")
        command = ("distill", "-t", acclimated, "--data", rooms, "-o", run, *options, *believed)
        outcome = cli(*command, "--push-to-hub", "someone/rooms", "--json")
        assert outcome.code == 0 and outcome.json["kept"]["student"] == "control", outcome.err
        control = (tmp_path / "new-control" / "student.safetensors").read_bytes()
        assert hub.files("someone/rooms")["student.safetensors"] == control
        ours = (run / "distilled.safetensors").read_bytes()
        again = cli("distill", "--resume", "-o", run, "--no-control", "--keep", "auto", "--json")
        assert again.code == 0 and "kept" not in again.json, again.err
        assert hub.files("someone/rooms")["student.safetensors"] == ours

    @pytest.mark.slow
    def test_a_remembered_push_can_be_taken_back(self, cli, hub, command, tmp_path):
        assert cli(*command, "--push-to-hub", "someone/rooms").code == 0
        hub.requests.clear()
        assert cli("distill", "--resume", "-o", tmp_path / "new").code == 0
        assert any("/commit/" in asked for asked in hub.requests)
        hub.requests.clear()
        assert cli("distill", "--resume", "-o", tmp_path / "new", "--push-to-hub", "", "--offline").code == 0
        assert hub.requests == []


class TestDistillDryRun:
    def test_it_says_what_would_be_done_and_does_nothing(self, cli, hub, acclimated, rooms, short, tmp_path):
        command = ("distill", "--teacher", acclimated, "--data", rooms, *short, "-o", tmp_path / "new")
        outcome = cli(*command, "--dry-run", "--push-to-hub", "someone/rooms", "--quiet")
        assert outcome.code == 0 and outcome.err == "", outcome.err
        plan = dict(line.split(": ", 1) for line in outcome.out.splitlines())
        assert (plan["teacher"], plan["teacher_kind"], plan["steps"]) == ("tiny-metric", "metric_depth", "2")
        assert (plan["student"], plan["train_images"], plan["val_images"]) == ("mobilenetv2_100", "17", "3")
        assert plan["push_to_hub"] == "someone/rooms" and set(plan["files"].split()) == FILES
        assert not (tmp_path / "new").exists() and hub.requests == []

    def test_a_raw_teacher_and_epochs(self, cli, tiny_relative_teacher, rooms, short, tmp_path):
        options = [*short, "--max-steps", "10"]
        outcome = cli("distill", "-t", tiny_relative_teacher, "--data", rooms, *options, "--dry-run", "--json")
        plan = outcome.json["plan"]
        assert plan["teacher_kind"] == "disparity" and "not acclimated" in plan["teacher_state"]
        assert (plan["steps"], plan["epochs"], plan["push_to_hub"], plan["files"]) == (10, 2.5, None, [])


@pytest.mark.slow
def test_a_process_of_its_own_pushes_and_is_read_again(run_disdepth, hub, hub_environment, run, photo, tmp_path):
    """End to end as a user does it: no patched constants, only the environment."""
    pushed = run_disdepth("push", run, "--to", "someone/rooms", "--quiet", env=hub_environment)
    assert pushed.returncode == 0 and "pushed: " in pushed.stdout, pushed.stderr
    digest = hashlib.sha256((run / "student.safetensors").read_bytes()).hexdigest()
    assert f"PUT /objects/{digest}" in hub.requests
    command = ("predict", photo, "--save-numpy", "--device", "cpu", "--quiet", "-o")
    near = run_disdepth(*command, tmp_path / "near", "-c", run, env=hub_environment)
    far = run_disdepth(*command, tmp_path / "far", "-c", "someone/rooms", env=hub_environment)
    assert near.returncode == far.returncode == 0, far.stderr
    assert far.stderr == ""
    (name,) = [path.name for path in (tmp_path / "near").glob("*.npy")]
    assert (tmp_path / "near" / name).read_bytes() == (tmp_path / "far" / name).read_bytes()
