"""A model's files: a local folder in Hub format, or a pinned download from the Hub."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disdepth_cli.errors import DisdepthError, TeacherError
from disdepth_cli.teachers.preprocessing import read_json

SMALL = ["*.json", "README.md"]
PATTERNS = ["*.json", "*.safetensors", "README.md"]
Announce = Callable[[str], None]
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


def _as_repo(path: Path, name: str, identity: str, commit: str | None) -> ResolvedRepo:
    if not (path / "config.json").is_file():
        raise TeacherError(
            f"{name}: has no config.json, so it is not a model in Hub format (as save_pretrained writes)"
        )
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
        pickled = sorted(file.name for pattern in PICKLES for file in repo.path.glob(pattern))
        found = f"only {', '.join(pickled)}, and pickled files are never loaded; " if pickled else ""
        if repo.revision is not None:
            raise TeacherError(
                f"{repo.id}: has no model.safetensors in the local cache; run once without --offline, and if it is not "
                "on the Hub either, take another revision or model"
            )
        raise TeacherError(f"{repo.id}: has no model.safetensors; {found}save it with safe_serialization=True")
    for name in names:
        if Path(name).name != name:
            raise TeacherError(
                f"{repo.id}: {index.name} names a file outside the folder, {name}; do not trust this model"
            )
        check_safetensors(repo.path / name, repo.id)
    return [repo.path / name for name in names]


def total_bytes(files: list[Path]) -> int:
    """Size of the files on disk [bytes]."""
    return sum(file.stat().st_size for file in files)


def check_safetensors(path: Path, owner: str) -> None:
    """Read the header of a safetensors file, which also tells whether the file is whole.

    Raises:
        TeacherError: missing, truncated, or something else.
    """
    from safetensors import SafetensorError, safe_open

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


def is_hub_id(name: str) -> bool:
    """Whether `name` has the form OWNER/NAME of a repository on the Hub; a path may have it too."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name, re.ASCII) is not None


def is_offline(offline: bool) -> bool:
    """Whether the network must not be asked, by option or by HF_HUB_OFFLINE."""
    from huggingface_hub import constants

    return offline or bool(constants.HF_HUB_OFFLINE)


def _announce(name: str, revision: str | None, offline: bool, announce: Announce) -> None:
    from disdepth_cli.teachers.download import describe_files, plan_download

    plan = plan_download(name, revision, offline)
    if plan is not None and plan.missing:
        announce(f"fetching {name} at {plan.commit[:12]}: {describe_files(plan.missing)}")


def fetch_snapshot(
    name: str,
    patterns: Sequence[str],
    revision: str | None = None,
    offline: bool = False,
    raises: type[DisdepthError] = TeacherError,
) -> Path:
    """The folder, in the Hub's cache, of the files of a repository that match `patterns`.

    Raises:
        raises: not found, not allowed, not reachable, or not cached; one line that says what to do.
    """
    import huggingface_hub

    offline = is_offline(offline)
    try:
        return Path(
            huggingface_hub.snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(patterns),
                local_files_only=offline,
                tqdm_class=_no_bar() if patterns is SMALL else None,
            )
        )
    # The network libraries below huggingface_hub raise errors of their own, and they change between its versions.
    except Exception as error:
        raise raises(f"{name}: {_reason(name, revision, offline, error)}") from error


def _no_bar() -> type:
    """A progress bar that is not shown: for files of a few kilobytes."""
    from huggingface_hub.utils import tqdm

    class NoBar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})

    return NoBar


def _reason(name: str, revision: str | None, offline: bool, error: Exception) -> str:
    """Why a download failed, and what to do."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, errors.HfHubHTTPError):
        error = error.__cause__  # the Hub did answer, and what it said is the reason
    if isinstance(error, errors.HFValidationError):
        reason = "is neither a folder nor a Hub id (OWNER/NAME)"
    elif isinstance(error, errors.GatedRepoError):
        reason = f"is gated; accept its licence at https://huggingface.co/{name} and log in with `hf auth login`"
    elif isinstance(error, errors.RepositoryNotFoundError):
        reason = "is not on the Hub, or private; check the id, or log in with `hf auth login`"
    elif isinstance(error, errors.RevisionNotFoundError):
        reason = f"has no revision {revision!r}; give a commit, tag or branch of that repository to --revision"
    elif isinstance(error, errors.HfHubHTTPError) and http_status(error) in (401, 403):
        reason = "may not be read with your account; accept its licence on the Hub and log in with `hf auth login`"
    elif offline:
        at = f" at revision {revision}" if revision else ""
        reason = f"is not in the local cache{at}; run once without --offline (HF_HUB_OFFLINE), or give a local folder"
    elif isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled | ConnectionError):
        reason = "cannot be fetched, the Hub is not reachable; use --offline with a cached copy, or give a local folder"
    else:
        reason = f"cannot be fetched ({first_line(error)}); try again, or give a local folder"
    return reason


def http_status(error: Exception) -> int | None:
    """The status of the response that an error of the Hub's client carries."""
    return getattr(getattr(error, "response", None), "status_code", None)


def first_line(error: Exception) -> str:
    """The first line of an error's message, or the error's name where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


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
