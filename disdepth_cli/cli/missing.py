"""Files and folders that an option names and that are not there: told before PyTorch is imported."""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.config import BaseConfig
from disdepth_cli.errors import ConfigError, DataError

FILES = ("student_weights", "teacher_weights", "ghost", "intrinsics")
"""Options that name something of this machine. Teachers and models may also be names on the Hub."""


def refuse_missing(config: BaseConfig) -> None:
    """Look for the files and folders that a configuration names.

    Raises:
        DataError: the data, or an image to predict, does not exist.
        ConfigError: another file does not.
    """
    known = type(config).options()
    resumed = "resume" in known and config.get("resume")  # its engine says what has become of its data
    if "data" in known and config.get("data") is not None and not resumed:
        data = str(config.get("data"))
        if not _is_elsewhere(data) and not Path(data).expanduser().exists():
            wanted = "give a data.yaml, a folder with rgb/ (or images/) and depth/, a folder of images, or shards"
            raise DataError(f"{data}: does not exist; {wanted}")
    for source in config.get("sources") if "sources" in known else ():
        if not _is_elsewhere(source) and not Path(source).expanduser().exists():
            raise DataError(f"{source}: no such image, video, folder or pattern")
    for name in FILES:
        if name in known and config.get(name) is not None and not Path(config.get(name)).exists():
            raise ConfigError(f"{known[name].flag} {config.get(name)}: does not exist")


def _is_elsewhere(name: str) -> bool:
    """Whether a name may be an address, a pattern or standard input, so that no file of that name is needed."""
    return name == "-" or "://" in name or any(letter in name for letter in "*?[{")
