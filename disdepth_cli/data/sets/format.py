"""A published data set that is read as it comes: how it is recognised, found and understood."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.data.sets.layouts import Layout, Splits
from disdepth_cli.data.sets.patterns import Folders, fitting
from disdepth_cli.errors import DataError


@dataclass(frozen=True)
class Format:
    """A data set as it is published, and what its depth means unless data.yaml says otherwise.

    signs: alternatives, each the patterns that all have to fit for a folder to be recognised. bases: folders below the
    given one that may be meant. part_of: the format that is meant where both are recognised. protocol: the default.
    """

    name: str
    layout: str
    origin: str
    signs: tuple[tuple[str, ...], ...]
    files: Layout
    coding: DepthCoding
    max_depth: float
    min_depth: float = 1e-3
    protocol: str | None = None
    bases: tuple[str, ...] = ("",)
    part_of: str | None = None

    @property
    def defaults(self) -> dict[str, Any]:
        """What keys of data.yaml are where it does not give them."""
        meant = {"depth_scale": self.coding.scale, "min_depth": self.min_depth, "max_depth": self.max_depth}
        return {**meant, "protocol": self.protocol, "format": self.name}

    def root(self, folder: Path, folders: Folders) -> Path | None:
        """The folder that looks like this format: the given one or one of its `bases`; None where none does."""
        for base in self.bases:
            path = folder / base
            if any(all(_any_fits(sign, path, folders) for sign in signs) for signs in self.signs):
                return path
        return None

    def collect(self, folder: Path) -> tuple[Path, Splits]:
        """The root of the data, and its items.

        Raises:
            DataError: there are none; it says what was looked for and what is there.
        """
        root = self.root(folder, Folders()) or folder
        splits = self.files.collect(root)
        if splits.train or splits.val:
            return root, splits
        why = f"there are {_held(root)}"
        if splits.skipped:
            first = splits.skipped[0]
            why = f"none of {len(splits.skipped)} can be used, the first: {first.where}: {first.reason}"
        raise DataError(f"{root}: no images of format {self.name}, which is {self.layout}; {why}")


def _any_fits(pattern: str, root: Path, folders: Folders) -> bool:
    return next(fitting(pattern, root, folders), None) is not None


def _held(root: Path) -> str:
    names = list(Folders().held(root))
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return (", ".join(names[:6]) or "no files") + more
