"""How far a packing has come: written after each whole shard, read by --resume, gone when all is packed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from disdepth_cli.config import PackConfig
from disdepth_cli.data.shards.index import INDEX, JOURNAL, ShardRecord, record_of, shard_of
from disdepth_cli.data.shards.items import Shard
from disdepth_cli.errors import ConfigError
from disdepth_cli.files import disk_errors, is_unfinished, remove_unfinished, write_text
from disdepth_cli.reading import read_bytes, reading


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
            if folder.exists() and not (folder.is_dir() and all(map(is_unfinished, folder.iterdir()))):
                raise ConfigError(f"-o {folder}: already holds something; name a new folder, or add --resume to go on")
            with disk_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                remove_unfinished(folder)
            journal._write()
            return journal
        if not journal.file.is_file():
            done = (folder / INDEX).is_file()
            none = "no packing was begun there; leave out --resume"
            raise ConfigError(f"-o {folder}: {'is packed already' if done else none}")
        journal._load()
        with disk_errors(folder):
            remove_unfinished(folder)
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
        with reading(self.file, "is damaged", advice="pack into a new folder"):
            state = json.loads(read_bytes(self.file))
            before, lengths = dict(state["options"]), dict(state["lengths"])
            self.reached, self.skipped = dict(state["reached"]), list(state["skipped"])
            self.shards = {
                split: [shard_of(str(self.file.parent), ShardRecord.model_validate(record)) for record in records]
                for split, records in state["shards"].items()
            }
        for name, value in self.options.items():
            if before.get(name) != value:
                raise ConfigError(
                    f"--{name.replace('_', '-')}: {self.file.parent} was begun with {before.get(name)!r}, "
                    f"not {value!r}; resume with the same options"
                )
        if lengths != self.lengths:
            raise ConfigError(f"{self.file.parent}: the data has changed since; pack into a new folder")
