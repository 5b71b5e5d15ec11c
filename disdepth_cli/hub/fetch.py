"""Snapshots of repositories on the Hugging Face Hub, from its cache or the network, with errors worded for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from disdepth_cli.errors import DisdepthError, TeacherError, first_line

SMALL = ["*.json", "README.md"]
PATTERNS = ["*.json", "*.safetensors", "README.md"]
Announce = Callable[[str], None]


def is_hub_id(name: str) -> bool:
    """Whether `name` has the form OWNER/NAME of a repository on the Hub; a path may have it too."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name, re.ASCII) is not None


def is_offline(offline: bool) -> bool:
    """Whether the network must not be asked, by option or by HF_HUB_OFFLINE."""
    from huggingface_hub import constants

    return offline or bool(constants.HF_HUB_OFFLINE)


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
