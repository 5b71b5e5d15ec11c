"""Which images of a known layout are train and which are val: the official split where its file is there."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.matlab import read_matlab
from disdepth_cli.data.sets.found_items import TENTH, every_tenth
from disdepth_cli.data.sets.lists import rows
from disdepth_cli.reading import read_bytes, reading

Found = Sequence[tuple[DataItem, Mapping[str, str]]]
"""Items, in order, each with the named parts of its path."""


class SplitRule(Protocol):
    """Says of every item "train", "val", or else the reason why it is in neither."""

    def __call__(self, root: Path, found: Found) -> list[str]: ...


@dataclass(frozen=True)
class AllVal:
    """A benchmark: nothing to train on."""

    def __call__(self, root: Path, found: Found) -> list[str]:
        return ["val"] * len(found)


@dataclass(frozen=True)
class ByFolder:
    """A part of the path says "train" or "val"."""

    field: str

    def __call__(self, root: Path, found: Found) -> list[str]:
        known = ("train", "val")
        return [v if (v := fields[self.field]) in known else f"{v}/ is neither of {known}" for _, fields in found]


@dataclass(frozen=True)
class HeldOut:
    """Whole scenes are val, as frames of one scene are nearly alike: every 10th, or those named in `scenes`.

    Fewer than 10 scenes: the last is val. A single scene: its last tenth of frames.
    """

    field: str
    scenes: tuple[str, ...] = ()

    def __call__(self, root: Path, found: Found) -> list[str]:
        names = list(dict.fromkeys(fields[self.field] for _, fields in found))
        if len(names) < 2:
            count = max(len(found) // TENTH, 1)
            return ["train"] * (len(found) - count) + ["val"] * count if found else []
        chosen = {name for name in names if name in self.scenes} or {names[n] for n in every_tenth(len(names))}
        return ["val" if fields[self.field] in chosen else "train" for _, fields in found]


@dataclass(frozen=True)
class SceneLists:
    """Text files with the scenes of each split, one a line; where there are none, scenes are held out."""

    field: str
    train: str
    val: str

    def __call__(self, root: Path, found: Found) -> list[str]:
        split_of: dict[str, str] = {}
        for split, name in (("train", self.train), ("val", self.val)):
            for file in (root / name, root.parent / name):
                if file.is_file():
                    split_of |= {words[0]: split for _, words in rows(file)}
                    break
        if not split_of:
            return HeldOut(self.field)(root, found)
        outside = f"its scene is in neither {self.train} nor {self.val}"
        return [split_of.get(fields[self.field], outside) for _, fields in found]


@dataclass(frozen=True)
class FrameTable:
    """Hypersim's `metadata_images_split_scene_v1.csv`; where it is not there, scenes are held out.

    val: what its column split_partition_name says of the val images. Images that are excluded from the release are
    left out. Needs the fields scene, camera and frame.
    """

    file: str
    val: str = "val"

    def __call__(self, root: Path, found: Found) -> list[str]:
        file = next((path for path in (root / self.file, root.parent / self.file) if path.is_file()), None)
        if file is None:
            return HeldOut("scene")(root, found)
        table = self._read(file)
        labels = []
        for _, fields in found:
            part = table.get((fields["scene"], fields["camera"], int(fields["frame"])), "of none")
            label = {"train": "train", self.val: "val"}.get(part)
            labels.append(label or f"{file.name}: is {part} of its splits, not train or {self.val}")
        return labels

    def _read(self, file: Path) -> dict[tuple[str, str, int], str]:
        text = read_bytes(file).decode("utf-8-sig", "replace")
        with reading(file, "is not Hypersim's table of splits"):
            try:
                return {
                    (row["scene_name"], row["camera_name"], int(row["frame_id"])): row["split_partition_name"]
                    for row in csv.DictReader(io.StringIO(text))
                    if row["included_in_public_release"].strip().lower() == "true"
                }
            except KeyError as error:
                raise ValueError(f"no column {error}") from None


@dataclass(frozen=True)
class MatlabFolders:
    """SUN RGB-D's `allsplit.mat`: cells `alltrain` and `alltest` name the folders, of an older place of the data.

    Where it is not there, folders are held out. The field is the folder relative to the root.
    """

    field: str
    file: str

    def __call__(self, root: Path, found: Found) -> list[str]:
        file = next((path for path in (root / self.file, root.parent / self.file) if path.is_file()), None)
        if file is None:
            return HeldOut(self.field)(root, found)
        train, test = (set(map(_inside_sunrgbd, cells)) for cells in read_matlab(file, "alltrain", "alltest"))
        labels = []
        for _, fields in found:
            folder = _inside_sunrgbd(fields[self.field])
            outside = f"{file.name}: names its folder in neither split"
            labels.append("val" if folder in test else "train" if folder in train else outside)
        return labels


def _inside_sunrgbd(folder: object) -> str:
    """`kv2/kinect2data/...` of `/n/fs/sun3d/data//SUNRGBD/kv2/kinect2data/...`, and of itself."""
    parts = [part for part in str(folder).split("/") if part]
    return "/".join(parts[parts.index("SUNRGBD") + 1 :] if "SUNRGBD" in parts else parts)
