"""What a download from the Hub would bring, asked before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch

from disdepth_cli.hub.fetch import PATTERNS, is_offline

ASK_SECONDS = 10.0
WEIGHTS = "*.safetensors"


@dataclass(frozen=True)
class RemoteFile:
    """A file of a Hub repository at one commit; size [bytes]."""

    name: str
    size: int
    cached: bool

    @property
    def is_weights(self) -> bool:
        return fnmatch(self.name, WEIGHTS)


@dataclass(frozen=True)
class DownloadPlan:
    """The files of a repository that a teacher needs, at the commit its revision stands for."""

    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def missing(self) -> tuple[RemoteFile, ...]:
        """Those that are not in the local cache."""
        return tuple(file for file in self.files if not file.cached)

    @property
    def weights(self) -> tuple[RemoteFile, ...]:
        return tuple(file for file in self.files if file.is_weights)


def plan_download(name: str, revision: str | None, offline: bool) -> DownloadPlan | None:
    """Ask the Hub for the files of `name` and their sizes, in one request; None where it cannot or may not be asked.

    Why it cannot is not told here: the loading that follows takes the cache, or fails with the reason.
    """
    if is_offline(offline):
        return None
    import huggingface_hub

    try:
        info = huggingface_hub.HfApi().model_info(name, revision=revision, files_metadata=True, timeout=ASK_SECONDS)
    # The network libraries below huggingface_hub raise errors of their own, and they change between its versions.
    except Exception:
        return None
    if info.sha is None:
        return None
    wanted = [
        sibling for sibling in info.siblings or [] if any(fnmatch(sibling.rfilename, pattern) for pattern in PATTERNS)
    ]
    return DownloadPlan(
        info.sha,
        tuple(
            RemoteFile(sibling.rfilename, sibling.size or 0, _is_cached(name, sibling.rfilename, info.sha))
            for sibling in wanted
        ),
    )


def describe_files(files: tuple[RemoteFile, ...]) -> str:
    """Names and total size, as in `model.safetensors (99.2 MB)`; `nothing` without files."""
    if not files:
        return "nothing"
    names = ", ".join(file.name for file in files[:4]) + (f" and {len(files) - 4} more" if len(files) > 4 else "")
    return f"{names} ({sum(file.size for file in files) / 1e6:.1f} MB)"


def _is_cached(name: str, file: str, commit: str) -> bool:
    import huggingface_hub

    return isinstance(huggingface_hub.try_to_load_from_cache(name, file, revision=commit), str)
