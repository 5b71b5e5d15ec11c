"""Which addresses are opened, and what an index that was downloaded may name.

Only file systems that copy bytes from a server are on the list. Others compute, unpack or redirect what they are told
to: fsspec's `reference://` has run shell commands that stood in a JSON file.
"""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.errors import DataError

SCHEMES = frozenset({"http", "https", "hf", "s3", "gs", "gcs", "az", "abfs"})


def is_remote(location: str) -> bool:
    """Whether a place is an address rather than a path."""
    return "://" in location


def checked(location: str) -> str:
    """A path, or an address whose scheme is in `SCHEMES`, as it is; a `file://` address as a path.

    Raises:
        DataError: it is an address of another kind, or several joined by `::`.
    """
    if not is_remote(location):
        return location
    scheme, _, rest = location.partition("://")
    if "::" in location:
        raise DataError(f"{location}: joins addresses by `::`, and these are never opened; name one address")
    if scheme.lower() == "file":
        return _path(location, rest)
    if scheme.lower() not in SCHEMES:
        raise DataError(
            f"{location}: {scheme}:// is not opened; addresses start with http(s)://, hf://, s3:// or gs://"
        )
    return location


def beneath(base: str, location: str) -> str:
    """What an index at `base`, a folder or an address, means by a place: relative places lie below the base.

    Raises:
        DataError: the index was downloaded and names a file of this machine, or the address is not allowed.
    """
    remote = is_remote(base)
    try:
        if remote and location.lower().startswith("file:"):
            raise DataError(f"{location}: an index from elsewhere may not name files of this machine")
        if remote or is_remote(location):
            return checked(location if is_remote(location) else f"{base}/{location.lstrip('/')}")
    except DataError as error:
        raise DataError(f"{base}: its index names {error}") from None
    return str((Path(base) / location).absolute())


def _path(location: str, rest: str) -> str:
    from urllib.request import url2pathname  # slow to import, and hardly anybody writes such an address

    path = url2pathname(rest.removeprefix("localhost"))
    if not Path(path).is_absolute():
        raise DataError(f"{location}: is not a whole path; write it as file:///folder/name.tar, or without file://")
    return path
