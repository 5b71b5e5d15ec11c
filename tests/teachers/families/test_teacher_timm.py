"""timm encoders as teachers: features only, weights from a file or the Hub, strictly."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers import load_teacher

VIT = "timm:vit_tiny_patch16_224"
SWIN = "timm:swin_tiny_patch4_window7_224"
CNN = "timm:resnet18"
FIXED = "timm:convit_tiny"


@pytest.fixture(scope="module")
def vit_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    file = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    save_file(timm.create_model("vit_tiny_patch16_224").state_dict(), file)  # with its classifier, as released
    return file


@pytest.mark.parametrize(
    ("name", "multiple", "strides"),
    [(VIT, 16, (16, 16, 16, 16)), (SWIN, 32, (4, 8, 16, 32)), (CNN, 32, (4, 8, 16, 32))],
)
def test_features(name: str, multiple: int, strides: tuple[int, ...]) -> None:
    teacher = load_teacher(name, pretrained=False)
    contract = teacher.contract
    assert (contract.id, contract.kind, contract.unit, contract.max_depth) == (name, "none", "none", None)
    assert (contract.size_multiple, contract.spec.reductions, contract.fixed_size) == (multiple, strides, None)
    assert "kind: none" in contract.lines()
    output = teacher(torch.rand(2, 3, 70, 90))
    assert output.depth is None
    height, width = teacher.input_size(70, 90)
    shapes = [tuple(feature.shape) for feature in output.features]
    declared = zip(contract.spec.channels, strides, strict=True)
    assert shapes == [(2, c, height // s, width // s) for c, s in declared]


def test_an_encoder_of_one_size_sees_every_view_at_it() -> None:
    teacher = load_teacher(FIXED, pretrained=False)
    assert teacher.contract.fixed_size == (224, 224)
    assert teacher.contract.working_size.padded(480, 640) == (224, 224)
    shape = teacher(torch.rand(1, 3, 60, 100)).features[0].shape
    assert shape[-2:] == (14, 14) and teacher.contract.spec.reductions == (16, 16, 16, 16)


def test_depths_are_evenly_spread() -> None:
    assert load_teacher(VIT, pretrained=False).contract.taps == ("block3", "block6", "block9", "block12")


def test_training_changes_nothing() -> None:
    teacher = load_teacher(CNN, pretrained=False)  # BatchNorm everywhere
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    teacher.train()
    head = torch.nn.Conv2d(teacher.contract.spec.channels[0], 1, 1)
    head(teacher(torch.rand(2, 3, 64, 64)).features[0]).mean().backward()
    after = teacher.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_local_weights(vit_weights: Path) -> None:
    image = torch.rand(1, 3, 64, 64)
    first, second = (load_teacher(VIT, weights=vit_weights) for _ in range(2))
    stored = load_file(vit_weights)
    loaded = first.network.model.state_dict()
    assert all(torch.equal(loaded[key], stored[key]) for key in loaded)
    assert torch.equal(first(image).features[-1], second(image).features[-1])
    assert first.contract.fingerprint == second.contract.fingerprint != "random"


def test_swin_weights_as_released(tmp_path: Path) -> None:
    """Released Swin files hold buffers that timm has since dropped, and a classifier under another name."""
    model = timm.create_model("swin_tiny_patch4_window7_224")
    state = model.state_dict()
    state["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.long)
    save_file(state, tmp_path / "swin.safetensors")
    loaded = load_teacher(SWIN, weights=tmp_path / "swin.safetensors").network.model.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in loaded.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("blocks.3.mlp.fc1.weight"), r"it lacks blocks\.3\.mlp\.fc1\.weight$"),
        (lambda s: s.update({"cls_token": torch.zeros(1, 1, 8)}), "it has another shape of cls_token"),
        (lambda s: s.update({"blocks.12.norm1.weight": torch.zeros(192)}), r"it has no place for blocks\.12\.norm1"),
    ],
)
def test_weights_that_do_not_fit(vit_weights: Path, tmp_path: Path, change, message: str) -> None:
    state = load_file(vit_weights)
    change(state)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(TeacherError, match=r"--teacher-weights .*w\.safetensors: is not timm:vit_tiny.*" + message):
        load_teacher(VIT, weights=tmp_path / "w.safetensors")


def test_weights_that_cannot_be_read(vit_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"--teacher-weights .*none\.safetensors: no such file"):
        load_teacher(VIT, weights=tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(vit_weights.read_bytes()[:1000])
    with pytest.raises(TeacherError, match=r"cut\.safetensors is truncated or damaged"):
        load_teacher(VIT, weights=tmp_path / "cut.safetensors")


def test_without_weights_in_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = huggingface_hub.snapshot_download
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: real(*a, cache_dir=tmp_path, **k))
    with pytest.raises(TeacherError, match=r"^timm:vit_tiny_patch16_224: timm/vit_tiny.*--teacher-weights FILE") as e:
        load_teacher(VIT)
    assert "\n" not in str(e.value)


def test_weights_of_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vit_weights: Path) -> None:
    snapshot = tmp_path / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    shutil.copy(vit_weights, snapshot / "model.safetensors")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **options: str(snapshot))
    contract = load_teacher(VIT).contract
    assert contract.revision == "abc123"
    assert contract.fingerprint == load_teacher(VIT, weights=vit_weights).contract.fingerprint
    assert contract.licence == "apache-2.0"


@pytest.mark.parametrize("name", ["vit_tiny_patch16_244", "vit_tiny", "hf-hub:owner/model", ""])
def test_unknown_names(name: str) -> None:
    with pytest.raises(TeacherError, match=f"^timm:{name}: timm has no such model"):
        load_teacher(f"timm:{name}", pretrained=False)


def test_near_names() -> None:
    with pytest.raises(TeacherError, match="did you mean .*vit_tiny_patch16_224"):
        load_teacher("timm:vit_tiny_patch16_244")


def test_unknown_tag() -> None:
    with pytest.raises(TeacherError, match=r"timm:vit_tiny_patch16_224\.nonsense: "):
        load_teacher("timm:vit_tiny_patch16_224.nonsense", pretrained=False)


def test_an_encoder_has_no_neck() -> None:
    with pytest.raises(TeacherError, match="has no neck"):
        load_teacher(VIT, pretrained=False, taps="neck")
