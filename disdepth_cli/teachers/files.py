"""A teacher's files: a local folder in Hub format, or a pinned download from the Hub."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from disdepth_cli.errors import TeacherError, first_line
from disdepth_cli.hub.fetch import PATTERNS, SMALL, Announce, fetch_snapshot
from disdepth_cli.teachers.preprocessing import read_json

POINTERS_START = b"version https://git-lfs"
POINTER = "is a Git LFS pointer, not the file; fetch it with `git lfs pull` in that folder, or `hf download`"
ORIGINALS = {
    **{
        f"depth-anything/depth-anything-v2-{size}": f"depth-anything/Depth-Anything-V2-{size.capitalize()}-hf"
        for size in ("small", "base", "large")
    },
    **{
        f"depth-anything/depth-anything-v2-metric-{data}-{size}": (
            f"depth-anything/Depth-Anything-V2-Metric-{place}-{size.capitalize()}-hf"
        )
        for data, place in (("hypersim", "Indoor"), ("vkitti", "Outdoor"))
        for size in ("small", "base", "large")
    },
    **{
        f"liheyoung/depth_anything_vit{letter}14": f"LiheYoung/depth-anything-{size}-hf"
        for letter, size in (("s", "small"), ("b", "base"), ("l", "large"))
    },
    "apple/depthpro": "apple/DepthPro-hf",
    "isl-org/zoedepth": "Intel/zoedepth-nyu",
}
"""Repositories of original weights on the Hub, in lower case, and the same model in transformers."""

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")


@dataclass(frozen=True)
class ResolvedRepo:
    """A folder in Hub format. `id` is the Hub id or the folder's name, never a path; `revision` a commit hash."""

    path: Path
    id: str
    revision: str | None
    licence: str | None


def resolve_teacher(
    name: str, revision: str | None = None, offline: bool = False, announce: Announce | None = None
) -> ResolvedRepo:
    """The folder of a teacher: `name` itself where it is a folder, else the Hub repository of that id.

    announce: is told in one line what will be fetched, before it is; not called where nothing is.

    Raises:
        TeacherError: not found, not allowed, not reachable, not cached, or not in Hub format.
    """
    if Path(name).is_dir():
        if revision is not None:
            raise TeacherError(f"{name}: is a local folder, which has no revisions; leave out --revision")
        path = Path(name)
        identity, commit = path.resolve().name, None
    else:
        if announce is not None:
            _announce(name, revision, offline, announce)
        path = fetch_snapshot(name, PATTERNS, revision, offline)
        # The Hub's cache names each snapshot by its commit.
        identity, commit = name, path.name if path.parent.name == "snapshots" else revision
    return _as_repo(path, name, identity, commit)


def resolve_small_files(name: str, commit: str) -> ResolvedRepo:
    """The Hub repository `name` without its weights. Named by its commit, so that no branch in the cache comes to
    point at a snapshot without weights.

    Raises:
        TeacherError: as `resolve_teacher`.
    """
    return _as_repo(fetch_snapshot(name, SMALL, commit), name, name, commit)


def resolve_settings(name: str, revision: str | None = None, offline: bool = False) -> ResolvedRepo:
    """A model's folder in Hub format for its small files alone: `name` itself, or that Hub repository.

    Raises:
        TeacherError: as `resolve_teacher`.
    """
    if Path(name).is_dir():
        return resolve_teacher(name, revision)
    from disdepth_cli.hub.download_plan import plan_download

    plan = plan_download(name, revision, offline)
    commit = revision if plan is None else plan.commit
    return _as_repo(fetch_snapshot(name, SMALL, commit, offline), name, name, commit)


def _as_repo(path: Path, name: str, identity: str, commit: str | None) -> ResolvedRepo:
    if not (path / "config.json").is_file():
        raise TeacherError(
            f"{name}: has no config.json, so it is not a model in Hub format (as save_pretrained writes)"
            + instead_of(name, path)
        )
    if is_pointer(path / "config.json"):
        raise TeacherError(f"{name}: config.json {POINTER}")
    return ResolvedRepo(path=path, id=identity, revision=commit, licence=_licence(path))


def weight_files(repo: ResolvedRepo) -> list[Path]:
    """The safetensors files that make up the model, each whole.

    Raises:
        TeacherError: none is there (pickles are never loaded), a shard is missing, or a file is damaged.
    """
    index = repo.path / "model.safetensors.index.json"
    if (repo.path / "model.safetensors").is_file():
        names = ["model.safetensors"]
    elif index.is_file():
        shards = read_json(index).get("weight_map")
        names = sorted({str(shard) for shard in shards.values()}) if isinstance(shards, dict) else []
    else:
        names = []
    if not names:
        raise TeacherError(f"{repo.id}: has no model.safetensors; {_nearly_weights(repo)}")
    for name in names:
        if Path(name).name != name:
            raise TeacherError(
                f"{repo.id}: {index.name} names a file outside the folder, {name}; do not trust this model"
            )
        check_safetensors(repo.path / name, repo.id)
    return [repo.path / name for name in names]


def _nearly_weights(repo: ResolvedRepo) -> str:
    """What is there in the place of weights, and what to do."""
    others = sorted(file.name for file in repo.path.glob("*.safetensors"))
    shards = [name for name in others if re.fullmatch(r"model-\d+-of-\d+\.safetensors", name)]
    pickled = sorted(file.name for pattern in PICKLES for file in repo.path.glob(pattern))
    if shards:
        return (
            f"it has {len(shards)} shards, the first {shards[0]}, and no model.safetensors.index.json that says what "
            "lies in which; fetch that file too"
        )
    if others:
        return f"it has {others[0]}: rename that to model.safetensors (float16 is read too)"
    if repo.revision is not None:
        return (
            "it is not in the local cache; run once without --offline, and if it is not on the Hub either, take "
            "another revision or model"
        )
    if pickled:
        return (
            f"only {', '.join(pickled)}, and pickled files are never loaded; write it anew: disdepth convert-teacher "
            f"{repo.path / pickled[0]} --like {repo.path}, or save it with safe_serialization=True"
        )
    return "save it with safe_serialization=True"


def instead_of(name: str, path: Path) -> str:
    """What to take or do instead of a repository of original weights; empty where that is not known."""
    known = ORIGINALS.get(name.lower())
    if known is not None:
        return f"; in transformers it is {known}"
    weights = sorted(file for pattern in (*PICKLES, "*.safetensors") for file in path.glob(pattern))
    if weights:
        return (
            f"; it holds {weights[0].name}: if that is of an original repository: disdepth convert-teacher "
            f"{weights[0]} --like ID, the model's id in transformers, as depth-anything/Depth-Anything-V2-Small-hf"
        )
    return ""


def is_pointer(file: Path) -> bool:
    """Whether a file is what Git leaves of a large file that was not fetched."""
    try:
        with open(file, "rb") as handle:
            return handle.read(len(POINTERS_START)) == POINTERS_START
    except OSError:
        return False


def total_bytes(files: list[Path]) -> int:
    """Size of the files on disk [bytes]."""
    return sum(file.stat().st_size for file in files)


def check_safetensors(path: Path, owner: str) -> None:
    """Read the header of a safetensors file, which also tells whether the file is whole.

    Raises:
        TeacherError: missing, truncated, or something else.
    """
    from safetensors import SafetensorError, safe_open

    if is_pointer(path):
        raise TeacherError(f"{owner}: {path.name} {POINTER}")
    try:
        with safe_open(path, framework="pt"):
            pass
    except FileNotFoundError:
        raise TeacherError(f"{owner}: {path.name} is missing; fetch the model anew") from None
    except (SafetensorError, OSError) as error:
        reason = first_line(error)
        raise TeacherError(f"{owner}: {path.name} is truncated or damaged ({reason}); fetch it anew") from None


def fingerprint(files: list[Path]) -> str:
    """First 16 hex digits of the SHA-256 over the files' contents, in the given order."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as handle:
            while chunk := handle.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:16]


def _announce(name: str, revision: str | None, offline: bool, announce: Announce) -> None:
    from disdepth_cli.hub.download_plan import describe_files, plan_download

    plan = plan_download(name, revision, offline)
    if plan is not None and plan.missing:
        announce(f"fetching {name} at {plan.commit[:12]}: {describe_files(plan.missing)}")


def _licence(path: Path) -> str | None:
    """The licence the model card states in its front matter; None where it states none."""
    import yaml
    from huggingface_hub import metadata_load

    card = path / "README.md"
    if not card.is_file():
        return None
    try:
        metadata = metadata_load(card) or {}
    except (OSError, ValueError, yaml.YAMLError):
        return None
    licence = metadata.get("license_name") if metadata.get("license") == "other" else metadata.get("license")
    return str(licence or metadata.get("license") or "") or None
