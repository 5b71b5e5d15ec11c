"""What is said of a teacher before anything is fetched: its contract, its cost, its licence, the download."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import hub_stub
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from disdepth_cli.errors import TeacherError
from disdepth_cli.hub.download_plan import DownloadPlan, RemoteFile, describe_files
from disdepth_cli.hub.licences import classify_licence, licence_note
from disdepth_cli.teachers import describe, load_teacher
from disdepth_cli.teachers.describe import describe_teacher, with_flops
from disdepth_cli.teachers.files import resolve_teacher, weight_files
from disdepth_cli.teachers.flops import forward_flops
from disdepth_cli.teachers.teacher import TeacherNetwork
from disdepth_cli.teachers.transformers_family import load_transformers_teacher

ENCODER = "timm:test_vit"
ENCODER_REPO = "timm/test_vit.r160_in1k"


def as_dict(lines: list[str]) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines)


def test_a_local_folder_is_measured(metric_folder: Path) -> None:
    seen = as_dict(describe_teacher(str(metric_folder)).lines())
    size = (metric_folder / "model.safetensors").stat().st_size
    assert seen["kind"] == "metric_depth"
    assert seen["output"] == "depth in metres, up to 10 m"
    assert seen["input_size"] == "multiples of 14; evaluated at 238x322, aspect kept, the side that changes less fits"
    assert (seen["taps"], seen["strides"]) == ("stage1 stage2 stage3 stage4", "14 14 14 14")
    assert seen["weights"] == "on this machine, probed" and seen["download"] == "nothing"
    assert seen["size_on_disk"] == f"{size / 1e6:.1f} MB" != "0.0 MB"
    assert seen["licence"] == "cc-by-nc-4.0" and seen["licence_note"].startswith("non-commercial; ")
    amount, at = seen["gflops"].split(" at ")
    assert at == "238x322" and float(amount) > 0.1


def test_other_kinds_in_words(relative_folder: Path) -> None:
    seen = as_dict(load_teacher(str(relative_folder)).contract.lines())
    assert seen["output"] == "inverse depth, larger is nearer, of unknown scale and shift"
    assert (seen["gflops"], seen["licence_note"][:8]) == ("not counted", "unknown;")
    fixed = as_dict(load_teacher("timm:test_maxvit", pretrained=False).contract.lines())
    assert fixed["input_size"] == "160x160 only; every whole image is stretched to it"
    assert fixed["output"].startswith("features only") and fixed["weights"] == "random"
    assert fixed["size_on_disk"] == "0.0 MB"


DESCRIBED = ["metric", "relative", "dpt", "hybrid", "dpt-beit", "dpt-swinv2", "depth-pro", "glpn", "tipsv2", "zoedepth"]


@pytest.mark.parametrize("kind", DESCRIBED)
def test_a_description_without_weights_is_that_of_the_model(kind: str, tiny: Callable[[str], Path]) -> None:
    """Everything but what weights alone tell: strides, channels, parameters, FLOPs, range, sizes."""
    repo = resolve_teacher(str(tiny(kind)))
    outline = describe.outline(lambda: load_transformers_teacher(repo, with_weights=False))
    real = with_flops(load_transformers_teacher(repo))
    assert outline.flops and outline.fingerprint == "none"
    known = {"fingerprint": real.fingerprint, "weight_bytes": real.weight_bytes, "probe": real.probe}
    assert outline.probe is None and real.probe is not None
    assert replace(outline, **known) == real


def test_what_the_config_leaves_open_needs_the_weights(tiny: Callable[[str], Path]) -> None:
    repo = resolve_teacher(str(tiny("dpt-projection")))
    with pytest.raises(TeacherError, match="leaves open what its numbers are, and its weights are not here"):
        load_transformers_teacher(repo, with_weights=False)


def test_describing_draws_no_random_numbers(tiny: Callable[[str], Path]) -> None:
    repo = resolve_teacher(str(tiny("zoedepth")))
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    describe.outline(lambda: load_transformers_teacher(repo, with_weights=False))
    assert torch.equal(torch.rand(1), expected)


class Attention(TeacherNetwork):
    """pixels -> tokens of stride 8 -> self-attention; optionally by a way that looks at a number."""

    def __init__(self, looks: bool) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 8, 8)
        self.looks = looks

    def forward(self, pixels: Tensor) -> tuple[None, list[Tensor]]:
        tokens = self.embed(pixels).flatten(2).transpose(1, 2)
        if self.looks and float(tokens.sum()) > 1e9:
            raise ValueError("too bright")
        return None, [F.scaled_dot_product_attention(tokens, tokens, tokens)]


@pytest.mark.parametrize("looks", [False, True])
def test_flops(looks: bool) -> None:
    tokens = 4 * 6
    convolution, attention = 2 * tokens * 16 * 3 * 8 * 8, 2 * 2 * tokens**2 * 16
    assert forward_flops(Attention(looks), (32, 48)) == convolution + attention


@pytest.mark.parametrize(
    ("licence", "kind"),
    [
        ("apache-2.0", "open"),
        ("Apache-2.0", "open"),
        ("mit", "open"),
        ("bsd-3-clause", "open"),
        ("cc-by-4.0", "open"),
        ("cc-by-sa-4.0", "open"),
        ("cc0-1.0", "open"),
        ("gpl-3.0", "open"),
        ("cc-by-nc-4.0", "non-commercial"),
        ("cc-by-nc-sa-4.0", "non-commercial"),
        ("cc-by-nc-nd-4.0", "non-commercial"),
        ("fair-noncommercial-research-license", "non-commercial"),
        ("Non-Commercial use only", "non-commercial"),
        ("apple-amlr", "non-commercial"),
        ("seer-license", "non-commercial"),
        ("research-only", "non-commercial"),
        ("apple-ascl", "unknown"),
        ("dinov3-license", "unknown"),
        ("gemma", "unknown"),
        ("other", "unknown"),
        ("unknown", "unknown"),
        ("mit-but-not-really", "unknown"),
        ("encore", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_licences(licence: str | None, kind: str) -> None:
    assert classify_licence(licence) == kind
    note = licence_note(licence)
    assert note is None if kind == "open" else note is not None and note.startswith(f"{kind}; ")


def test_files_in_words() -> None:
    files = tuple(RemoteFile(f"{i}.safetensors", 10_000_000, False) for i in range(6))
    assert describe_files(()) == "nothing"
    assert describe_files(files[:1]) == "0.safetensors (10.0 MB)"
    assert describe_files(files).endswith("3.safetensors and 2 more (60.0 MB)")


@pytest.fixture
def hub(metric_folder: Path, tmp_path: Path) -> Iterator[object]:
    """A Hub with a depth model and an encoder."""
    torch.manual_seed(2)
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text('{"architecture": "test_vit", "pretrained_cfg": {}}')
    save_file(timm.create_model("test_vit").state_dict(), encoder / "model.safetensors")
    with hub_stub.serve_hub({"owner/depth": metric_folder, ENCODER_REPO: encoder}) as server:
        yield server


LOAD = """
import sys
from disdepth_cli.teachers import load_teacher
said, said_again = [], []
contract = load_teacher(sys.argv[1], announce=said.append).contract
load_teacher(sys.argv[1], announce=said_again.append)
print(said)
print(said_again)
print(contract.fingerprint, contract.revision)
"""


@pytest.mark.slow
@pytest.mark.parametrize("teacher", ["owner/depth", ENCODER])
def test_a_dry_run_fetches_no_weights(hub, teacher: str, tmp_path: Path, run_disdepth, run_python) -> None:
    env = hub.env(tmp_path / "cache")
    folder = hub.repos["owner/depth" if teacher == "owner/depth" else ENCODER_REPO]
    megabytes = f"{(folder / 'model.safetensors').stat().st_size / 1e6:.1f} MB"
    dry = run_disdepth("acclimate", "--teacher", teacher, "--dry-run", env=env)
    assert (dry.returncode, dry.stderr) == (0, "")
    seen = as_dict(dry.stdout.splitlines())
    assert seen["weights"] == f"not downloaded, {megabytes}; described from its config, not yet probed"
    assert (seen["download"], seen["size_on_disk"]) == (f"model.safetensors ({megabytes})", "0.0 MB")
    assert (seen["fingerprint"], seen["revision"]) == ("none", hub.commit)
    assert hub.weight_bytes_sent == 0 and not any("GET" in r and "safetensors" in r for r in hub.requests)

    # What the dry run left in the cache is no model: offline, the answer is a clear line and not half a teacher.
    offline = run_disdepth("acclimate", "--teacher", teacher, "--dry-run", "--offline", env=env)
    assert offline.returncode == 1 and "is not in the local cache; run once without --offline" in offline.stderr

    said, said_again, loaded = run_python(LOAD, teacher, env=env).stdout.splitlines()
    assert said_again == "[]"  # nothing is announced, and nothing sent, where everything is cached
    assert "fetching" in said and f"model.safetensors ({megabytes})" in said
    assert loaded.endswith(hub.commit) and hub.weight_bytes_sent == (folder / "model.safetensors").stat().st_size

    hub.requests.clear()
    later = run_disdepth("acclimate", "--teacher", teacher, "--dry-run", "--offline", "--json", env=env)
    again = json.loads(later.stdout)["teacher"]
    assert (again["weights"], again["download"]) == ("on this machine, probed", "nothing")
    assert again["fingerprint"] == loaded.split()[0] and hub.requests == []
    changed = {"weights", "download", "size_on_disk", "fingerprint", "probe"}
    assert {key: seen[key] for key in seen.keys() - changed} == {key: again[key] for key in again.keys() - changed}


REFUSED = """
from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.describe import describe_teacher
for name, revision in (("owner/nothing", None), ("owner/depth", "v9")):
    try:
        describe_teacher(name, revision=revision)
    except TeacherError as error:
        print(error)
"""


def test_unknown_repositories_and_revisions(hub, tmp_path: Path, run_python) -> None:
    unknown, revision = run_python(REFUSED, env=hub.env(tmp_path / "cache")).stdout.splitlines()
    assert unknown.startswith("owner/nothing: is not on the Hub, or private")
    assert revision.startswith("owner/depth: has no revision 'v9'")


def test_a_snapshot_without_weights_is_told_from_a_model_without_safetensors(
    metric_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "snapshots" / "abc"
    folder.mkdir(parents=True)
    shutil.copy(metric_folder / "config.json", folder)
    repo = replace(resolve_teacher(str(folder)), revision="abc")
    with pytest.raises(TeacherError, match=r"abc: has no model\.safetensors; it is not in the local cache; run"):
        weight_files(repo)


@pytest.mark.parametrize("name", ["timm:test_vit.nonsense", "timm:nonsense", "./nowhere", "a/b/c", "dpt-large", ""])
def test_names_that_are_no_teacher(name: str) -> None:
    with pytest.raises(TeacherError, match=r"nonsense: |no such folder|did you mean Intel/dpt-large|\(empty\)"):
        describe_teacher(name)


def test_an_unsupported_model_is_refused_before_its_weights_are_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    plan = DownloadPlan("abc", (RemoteFile("model.safetensors", 10**9, False),))
    monkeypatch.setattr(describe, "plan_download", lambda *args: plan)
    monkeypatch.setattr(
        describe, "resolve_small_files", lambda name, commit: replace(resolve_teacher(str(tmp_path)), id=name)
    )
    with pytest.raises(TeacherError, match="^owner/model: model type 'llama' is no known depth model"):
        describe_teacher("owner/model")
