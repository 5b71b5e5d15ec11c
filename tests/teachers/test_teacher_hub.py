"""Where teachers come from, and the one clear line when they do not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import huggingface_hub
import pytest
from huggingface_hub import errors

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.files import ResolvedRepo, fingerprint, resolve_teacher, weight_files

ID = "owner/model"


def http_error(kind: type[errors.HfHubHTTPError], status: int = 404) -> errors.HfHubHTTPError:
    return kind("refused\nby the server", response=MagicMock(status_code=status, headers={}))


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def snapshot_download(*args: object, **kwargs: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (http_error(errors.RepositoryNotFoundError), "is not on the Hub, or private.*hf auth login"),
        (http_error(errors.GatedRepoError, 403), "is gated; accept its licence at .*owner/model.*hf auth login"),
        (http_error(errors.RevisionNotFoundError), "has no revision 'v9'.*--revision"),
        (http_error(errors.HfHubHTTPError, 401), "may not be read with your account.*hf auth login"),
        (http_error(errors.HfHubHTTPError, 500), r"cannot be fetched \(refused\); try again"),
        (errors.LocalEntryNotFoundError("no"), "not reachable; use --offline with a cached copy, or give a local"),
        (ConnectionError("no route"), "not reachable"),
        (errors.HFValidationError("bad"), "neither a folder nor a Hub id"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError(), r"\(RuntimeError\)"),
    ],
)
def test_failed_downloads(monkeypatch: pytest.MonkeyPatch, error: Exception, message: str) -> None:
    fail_with(monkeypatch, error)
    with pytest.raises(TeacherError, match=f"^{ID}: .*{message}") as caught:
        load_teacher(ID, revision="v9")
    assert "\n" not in str(caught.value)


def test_offline_and_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, errors.LocalEntryNotFoundError("no"))
    with pytest.raises(TeacherError, match="not in the local cache at revision v9; run once without --offline"):
        load_teacher(ID, revision="v9")


def test_the_hub_is_not_asked_when_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, online: None) -> None:
    """The real snapshot_download, an empty cache: an answer without the network."""
    real = huggingface_hub.snapshot_download
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: real(*a, cache_dir=tmp_path, **k))
    with pytest.raises(TeacherError, match="not in the local cache; "):
        load_teacher(ID, offline=True)


def test_a_download_is_pinned_and_holds_no_pickles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, metric_folder: Path
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = Path(shutil.copytree(metric_folder, tmp_path / "models--owner--model" / "snapshots" / commit))
    asked = SimpleNamespace(options={})

    def snapshot_download(name: str, **options: object) -> str:
        asked.options = {"name": name, **options}
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    contract = load_teacher(ID, revision="main", offline=True).contract
    assert (contract.id, contract.revision, contract.licence) == (ID, commit, "cc-by-nc-4.0")
    patterns = ["*.json", "*.safetensors", "README.md"]
    pinned = {"name": ID, "revision": "main", "allow_patterns": patterns, "local_files_only": True}
    assert asked.options == {**pinned, "tqdm_class": None}


def test_an_existing_folder_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, metric_folder: Path) -> None:
    shutil.copytree(metric_folder, tmp_path / "owner" / "model")
    monkeypatch.chdir(tmp_path)
    contract = load_teacher(ID).contract
    assert (contract.id, contract.revision) == ("model", None)
    with pytest.raises(TeacherError, match="owner/model: is a local folder.*leave out --revision"):
        load_teacher(ID, revision="main")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "no such folder"),
        ("/no/where", "no such folder"),
        ("a/b/c", "no such folder"),
        ("a\\b", "no such folder"),
        ("depth-anything-v2-small", "did you mean depth-anything/Depth-Anything-V2-Small-hf"),
        ("dpt-large", "did you mean Intel/dpt-large"),
        ("vit_tiny_patch16_224", "did you mean timm:vit_tiny_patch16_224"),
        ("zzzzzzzz", r"timm:NAME$"),
        ("", r"\(empty\): is no folder"),
    ],
)
def test_names_that_cannot_be_a_hub_id(name: str, message: str) -> None:
    with pytest.raises(TeacherError, match=message):
        load_teacher(name)


def test_a_file_is_no_teacher(metric_folder: Path) -> None:
    with pytest.raises(TeacherError, match="is a file"):
        load_teacher(str(metric_folder / "model.safetensors"))


def test_weights_are_for_timm_only(metric_folder: Path) -> None:
    with pytest.raises(TeacherError, match="--teacher-weights: only for --teacher timm:NAME"):
        load_teacher(str(metric_folder), weights=metric_folder / "model.safetensors")


def broken(metric_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(metric_folder, tmp_path / "broken"))


def test_a_folder_without_config(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"has no config\.json"):
        load_teacher(str(tmp_path))


@pytest.mark.parametrize("text", ["{", "[1]", "\udc80"])
def test_a_config_that_is_no_json(metric_folder: Path, tmp_path: Path, text: str) -> None:
    folder = broken(metric_folder, tmp_path)
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(TeacherError, match=r"^broken/config\.json: (cannot be read as JSON|holds no JSON object)"):
        load_teacher(str(folder))


def test_pickles_are_refused(metric_folder: Path, tmp_path: Path) -> None:
    folder = broken(metric_folder, tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(TeacherError, match=r"no model\.safetensors; only pytorch_model\.bin, .* never loaded"):
        load_teacher(str(folder))
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(TeacherError, match=r"broken: has no model\.safetensors; save it"):
        load_teacher(str(folder))


@pytest.mark.parametrize("keep", [0, 5, 300, -1])
def test_truncated_weights(metric_folder: Path, tmp_path: Path, keep: int) -> None:
    file = broken(metric_folder, tmp_path) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(TeacherError, match=r"broken: model\.safetensors is truncated or damaged") as caught:
        load_teacher(str(file.parent))
    assert "\n" not in str(caught.value)


def test_shards(metric_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = broken(metric_folder, tmp_path)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    shard_of = {key: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, key in enumerate(weights)}
    for name in set(shard_of.values()):
        own = {key: value for key, value in weights.items() if shard_of[key] == name}
        save_file(own, folder / name, metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": shard_of}))
    files = weight_files(resolve_teacher(str(folder)))
    assert [file.name for file in files] == sorted(set(shard_of.values()))
    assert load_teacher(str(folder)).contract.fingerprint == fingerprint(files)
    files[1].unlink()
    with pytest.raises(TeacherError, match=r"model-00002-of-00002\.safetensors is missing"):
        load_teacher(str(folder))


def test_a_shard_outside_the_folder_is_refused(tmp_path: Path, metric_folder: Path) -> None:
    folder = tmp_path / "escape"
    folder.mkdir()
    index = {"weight_map": {"a": "../elsewhere.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    shutil.copy(metric_folder / "model.safetensors", tmp_path / "elsewhere.safetensors")
    with pytest.raises(TeacherError, match="names a file outside"):
        weight_files(ResolvedRepo(folder, "escape", None, None))


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n", "apache-2.0"),
        ("---\nlicense: other\nlicense_name: my-terms\n---\n", "my-terms"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\ntags: [a]\n---\n", None),
        ("# No front matter\n", None),
        ("---\nlicense: [unclosed\n---\n", None),
    ],
)
def test_licence_of_the_model_card(tmp_path: Path, card: str, licence: str | None) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "README.md").write_text(card)
    assert resolve_teacher(str(tmp_path)).licence == licence
