"""How far a packing has come: written after each whole shard, read by --resume, gone when all is packed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from disdepth_cli.config import PackConfig
from disdepth_cli.data.shards.index import INDEX, JOURNAL, ShardRecord, record_of, shard_of
from disdepth_cli.data.shards.items import Shard
from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.files import disk_errors, write_text


class Journal:
    """shards, and how many items are behind them, by split; what was skipped on the way."""

    def __init__(self, file: Path, options: dict[str, Any], lengths: Mapping[str, int]) -> None:
        self.file, self.options, self.lengths = file, options, dict(lengths)
        self.shards: dict[str, list[Shard]] = {split: [] for split in lengths}
        self.reached = dict.fromkeys(lengths, 0)
        self.skipped: list[str] = []

    @classmethod
    def open(cls, config: PackConfig, lengths: Mapping[str, int], scale: float) -> Journal:
        """Begin in a new or empty folder, or with `resume` go on in one that was begun with the same options.

        Raises:
            ConfigError: the folder holds something else, or was begun otherwise.
        """
        folder = config.output
        options = config.flat(*PackConfig.named(free=True)) | {"depth_scale": scale}
        journal = cls(folder / JOURNAL, options, lengths)
        if not config.resume:
            if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
                raise ConfigError(f"-o {folder}: already holds something; name a new folder, or add --resume to go on")
            with disk_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            journal._write()
            return journal
        if not journal.file.is_file():
            done = (folder / INDEX).is_file()
            raise ConfigError(f"-o {folder}: " + ("is packed already" if done else "no packing was begun there"))
        journal._load()
        for left in (*folder.glob(".*.tmp.tar"), *folder.glob(".*.tmp.json")):  # of a process that was killed
            left.unlink()
        return journal

    @property
    def done(self) -> int:
        """Items behind the shards that are whole."""
        return sum(self.reached.values())

    def add(self, split: str, shard: Shard | None, reached: int) -> None:
        """A shard is whole, and `reached` items of its split are behind it. None: they were skipped."""
        if shard is not None:
            self.shards[split].append(shard)
        self.reached[split] = reached
        self._write()

    def skip(self, reason: str) -> None:
        """An item is left out."""
        self.skipped.append(reason)

    def remove(self) -> None:
        """All is packed."""
        self.file.unlink()

    def _write(self) -> None:
        shards = {name: [record_of(s, Path(s.location).name) for s in found] for name, found in self.shards.items()}
        state = {"options": self.options, "lengths": self.lengths, "reached": self.reached, "shards": shards}
        write_text(self.file, json.dumps(state | {"skipped": self.skipped}) + "\n")

    def _load(self) -> None:
        try:
            state = json.loads(self.file.read_text(encoding="utf-8"))
            before, lengths = dict(state["options"]), dict(state["lengths"])
            self.reached, self.skipped = dict(state["reached"]), list(state["skipped"])
            self.shards = {
                split: [shard_of(str(self.file.parent), ShardRecord.model_validate(record)) for record in records]
                for split, records in state["shards"].items()
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{self.file}: is damaged ({error}); pack into a new folder") from None
        for name, value in self.options.items():
            if before.get(name) != value:
                raise ConfigError(
                    f"--{name.replace('_', '-')}: {self.file.parent} was begun with {before.get(name)!r}, "
                    f"not {value!r}; resume with the same options"
                )
        if lengths != self.lengths:
            raise ConfigError(f"{self.file.parent}: the data has changed since; pack into a new folder")
