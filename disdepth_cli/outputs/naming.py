"""Names for results: two inputs never share one."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from disdepth_cli.errors import DataError
from disdepth_cli.inputs.find import COLOR, ENDINGS, ImageSource


def output_names(sources: Sequence[ImageSource], output: Path | None) -> list[str]:
    """What the results of each image are called: a path below the output folder, without an ending; all different.

    Images of a folder keep their folders. Within one of these the names are those of `output_stems`.

    Raises:
        DataError: a result would be written over one of the images.
    """
    rooms: dict[str, list[int]] = defaultdict(list)
    for index, source in enumerate(sources):
        rooms[str(source.below).casefold()].append(index)  # also where upper and lower case are the same folder
    names = [""] * len(sources)
    for indices in rooms.values():
        stems = output_stems([sources[index].file for index in indices])
        for index, stem in zip(indices, stems, strict=True):
            names[index] = str(sources[index].below / stem)
    if output is not None:
        _keep_images(sources, names, output)
    return names


def _keep_images(sources: Sequence[ImageSource], names: Sequence[str], output: Path) -> None:
    endings = (*ENDINGS, COLOR)
    images = {os.path.realpath(one.file): one for one in sources if one.lies_here and one.name.endswith(endings)}
    if not images:
        return
    for source, name in zip(sources, names, strict=True):
        for ending in endings:
            over = images.get(os.path.realpath(output / f"{name}{ending}"))
            if over is not None:
                raise DataError(f"{over.name}: the result of {source.name} would be written over it; -o another folder")


def output_stems(inputs: Sequence[Path]) -> list[str]:
    """One output stem per input, in order, all different (also where upper and lower case are the same file).

    An input whose stem is unique keeps it. Inputs that clash are told apart by what differs: their suffix
    (`a_jpg`, `a_png`), else their folders (`left_a`, `right_a`), else both, else a number (`a_1`, `a_2`).
    """
    clashes: dict[str, list[int]] = defaultdict(list)
    for index, path in enumerate(inputs):
        clashes[path.stem.casefold()].append(index)
    stems = [path.stem for path in inputs]
    taken = {name for name, group in clashes.items() if len(group) == 1}
    for group in clashes.values():
        if len(group) > 1:
            names = _told_apart([inputs[index] for index in group], taken)
            taken |= {name.casefold() for name in names}
            for index, name in zip(group, names, strict=True):
                stems[index] = name
    return stems


def _told_apart(paths: list[Path], taken: set[str]) -> list[str]:
    """Different names, none in `taken`, for paths of one stem."""
    for names in _candidates(paths):
        folded = {name.casefold() for name in names}
        if len(folded) == len(names) and not folded & taken:
            return names
    names, number = [], 1
    for path in paths:
        while f"{path.stem}_{number}".casefold() in taken:
            number += 1
        names.append(f"{path.stem}_{number}")
        number += 1
    return names


def _candidates(paths: list[Path]) -> Iterator[list[str]]:
    """Names by suffix, then by ever more folders without and with the suffix."""
    folders = [[part for part in path.parent.parts if part not in (path.anchor, "..")] for path in paths]
    for depth in range(max(map(len, folders)) + 1):
        names = [
            "_".join([*parts[max(len(parts) - depth, 0) :], path.stem])
            for parts, path in zip(folders, paths, strict=True)
        ]
        yield names
        yield [name + path.suffix.replace(".", "_") for name, path in zip(names, paths, strict=True)]
