"""The images that sources name, and the folder that the results of each go into."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from disdepth_cli.data.files.image_decoders import opened
from disdepth_cli.data.files.images import IMAGE_SUFFIXES
from disdepth_cli.depth.depth_files import SCALE_KEY
from disdepth_cli.errors import DataError
from disdepth_cli.inputs.download import STDIN, download, file_of_address, is_address, read_stdin
from disdepth_cli.reading import read_bytes, reading

COLOR = "_color.png"
FRAMES = "_frames"  # ends the folder of a video's frames
ENDINGS = ("_relative_depth.png", "_depth.png", "_disparity.png")
"""Of what predict writes; beside each lies a picture that ends with `COLOR`."""


@dataclass(frozen=True)
class ImageSource:
    """One image to predict.

    name: its path or address, or `-`, as messages have it. file: its path, or a path of that name for what lies in no
    file. below: the folder of its results, relative to the output folder. read: gives its bytes.
    """

    name: str
    file: Path
    below: Path
    read: Callable[[], bytes]
    lies_here: bool = True

    @property
    def image(self) -> Path | str:
        """What a result calls it: its path, if it has one."""
        return self.file if self.lies_here else self.name


def find_images(sources: Sequence[str], offline: bool = False) -> list[ImageSource]:
    """The images of paths, folders with all below them, patterns, addresses and `-`, in order, each once.

    offline: an address is refused.

    Raises:
        DataError: a source that does not exist, a folder without images, or an address while offline.
    """
    found: dict[str, ImageSource] = {}
    for source in sources:
        for image in _images_of(source, offline):
            found.setdefault(image.name, image)
    return list(found.values())


def _images_of(source: str, offline: bool) -> Iterator[ImageSource]:
    if source == STDIN:
        yield ImageSource(STDIN, Path("stdin"), Path(), read_stdin, lies_here=False)
    elif is_address(source):
        if offline:
            raise DataError(f"{source}: --offline keeps the network closed; save the image, and give its file")
        yield ImageSource(source, file_of_address(source), Path(), partial(download, source), lies_here=False)
    else:
        for file, below in _files_of(source):
            yield ImageSource(str(file), file, below, partial(read_bytes, file, of_pixels=True))


def _files_of(source: str) -> list[tuple[Path, Path]]:
    """The files of a path, a folder or a pattern, each with its folder below the source."""
    with reading(source, "is no place of images"):
        path = Path(source).expanduser()
        path.exists()
    if path.is_dir():
        found = photographs(_below(path))
        if not found:
            raise DataError(
                f"{path}: a folder without images (what predict has written aside; name videos, as in {path}/*.mp4)"
            )
        return [(file, file.parent.relative_to(path)) for file in found]
    if path.exists():
        return [(path, Path())]
    with reading(source, "is no pattern"):
        found = photographs(_fitting(path))
    if not found:
        raise DataError(f"{source}: no such image, folder or pattern")
    fixed = _fixed(path)
    return [(file, file.parent.relative_to(fixed) if fixed else Path()) for file in found]


def _fixed(pattern: Path) -> Path | None:
    """The part of a pattern before `**`; None where there is none."""
    return Path(*pattern.parts[: pattern.parts.index("**")]) if "**" in pattern.parts else None


def _fitting(pattern: Path) -> list[Path]:
    """The files that fit a pattern. `**` is any number of folders, none of them hidden or a link."""
    fixed = _fixed(pattern)
    if fixed is None:
        return [Path(name) for name in glob.glob(str(pattern))]
    found = fixed.glob(str(Path(*pattern.parts[len(fixed.parts) :])))
    return [file for file in found if not any(name.startswith(".") for name in file.relative_to(fixed).parts)]


def _below(folder: Path) -> list[Path]:
    """The files in a folder and below it, without hidden folders; a link to a folder is not followed."""
    files = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(place, name) for name in names]
    return files


def photographs(files: Sequence[Path]) -> list[Path]:
    """The images among files, sorted: no hidden ones, and none that predict has written."""
    found = sorted(file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith("."))
    depth = {file: end for file in found for end in ENDINGS if file.name.endswith(end) and is_prediction(file)}
    pictures = {file.with_name(file.name.removesuffix(end) + COLOR) for file, end in depth.items()}
    frames = {file for file in found if file.parent.name.endswith(FRAMES) and is_prediction(file)}
    return [file for file in found if file not in depth and file not in pictures and file not in frames]


def is_prediction(file: Path) -> bool:
    """Whether a PNG says the scale of its depth."""
    try:
        with opened(read_bytes(file, of_pixels=True)) as image:
            return SCALE_KEY in image.info
    except (DataError, OSError, ValueError, SyntaxError):
        return False
