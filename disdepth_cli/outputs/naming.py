"""Names for results: two inputs never share one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from disdepth_cli.data.files.image_decoders import opened
from disdepth_cli.data.files.images import IMAGE_SUFFIXES
from disdepth_cli.depth.files import SCALE_KEY
from disdepth_cli.errors import DataError
from disdepth_cli.reading import read_bytes

ENDINGS = ("_depth.png", "_disparity.png")  # of what predict writes; beside each lies a picture, _color.png


def photographs(files: Sequence[Path]) -> list[Path]:
    """The images among the files of a folder, sorted: no hidden ones, and none that predict has written."""
    found = sorted(file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith("."))
    depth = {file for file in found if file.name.endswith(ENDINGS) and _is_prediction(file)}
    pictures = {file.with_name(f"{file.name.rpartition('_')[0]}_color.png") for file in depth}
    return [file for file in found if file not in depth and file not in pictures]


def _is_prediction(file: Path) -> bool:
    """Whether a PNG says the scale of its depth."""
    try:
        with opened(read_bytes(file, of_pixels=True)) as image:
            return SCALE_KEY in image.info
    except (DataError, OSError, ValueError, SyntaxError):
        return False


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
