"""Samples as a shard holds them: an image's own bytes where it can be, and depth in metres times a scale."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.images import read_stored
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.location import Encoded, fetch, suffix_of
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.files.workers import start_worker
from disdepth_cli.errors import DataError
from disdepth_cli.working_size import resize_image

_AS_IT_IS = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png"}
_LARGEST = {"png": 65535.0, "npy": float(np.finfo(np.float16).max)}


@dataclass(frozen=True)
class Packing:
    """How samples are stored.

    depth: `png`: 16-bit, metres = stored / scale, so a step is 1 / scale; `npy`: float16 metres, 11 bits (0.05 %).
    size: (height, width) that an image must fit in, or its shorter side; larger ones are made smaller and stored as
    JPEG of `quality`, their depth by the nearest pixel. None: as it is.
    """

    depth: Literal["png", "npy"]
    scale: float
    size: tuple[int, int] | int | None = None
    quality: int = 95


@dataclass(frozen=True)
class PackedSample:
    """A sample's files by extension, or why it cannot be packed. refused: which stops the whole, not it alone."""

    key: str
    files: dict[str, bytes]
    extra: bool = False
    error: str | None = None
    refused: bool = False

    @property
    def labelled(self) -> bool:
        """Whether it has depth."""
        return len(self.files) > 1


class _TooDeep(DataError):
    """Depth that the chosen numbers cannot hold."""


class PackDataset(Dataset[PackedSample]):
    """The items of a split as shards hold them."""

    def __init__(self, items: Sequence[DataItem], source: DataSource, packing: Packing) -> None:
        self.items, self.source, self.packing = items, source, packing

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> PackedSample:
        item = self.items[index]
        key = shard_key(self.source.key(item))
        try:
            return PackedSample(key, packed(item, self.source, self.packing), item.extra)
        except _TooDeep as error:
            return PackedSample(key, {}, error=str(error), refused=True)
        except DataError as error:
            return PackedSample(key, {}, error=str(error))


def pack_loader(dataset: PackDataset, indices: Sequence[int], workers: int) -> DataLoader[PackedSample]:
    """The samples of `indices`, in order, whatever the number of workers."""
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=indices,
        num_workers=workers,
        collate_fn=_as_is,  # type: ignore[arg-type]  # without batches it gets one sample
        worker_init_fn=start_worker,
        prefetch_factor=8 if workers else None,
        generator=torch.Generator(),
    )


def packed(item: DataItem, source: DataSource, packing: Packing) -> dict[str, bytes]:
    """Files of one sample by extension: `jpg` or `png`, and `depth.png` or `depth.npy`.

    Raises:
        DataError: it cannot be read, or its depth does not fit.
    """
    image, metres = read_pair(item, source.coding)
    target = _target(image.shape[0], image.shape[1], packing.size)
    if target is None:
        extension, data = _image_bytes(item, image)
    else:
        extension, data = "jpg", _encoded(".jpg", resize_image(image, target)[..., ::-1], packing.quality)
        if metres is not None and metres.shape[0] > target[0]:
            metres = cv2.resize(metres, target[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    files = {extension: data}
    if metres is not None:
        files[f"depth.{packing.depth}"] = _depth_bytes(item, metres, packing, source.coding.is_plain)
    return files


def shard_key(name: str) -> str:
    """An image's name as a key: it ends at its first dot, and other programs make file names of it."""
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name)
    return re.sub(r"[^A-Za-z0-9_/-]+", "_", stem).strip("/") or "image"


def _target(height: int, width: int, size: tuple[int, int] | int | None) -> tuple[int, int] | None:
    """(height, width) that an image is made smaller to; None: it stays."""
    if size is None:
        return None
    share = size / min(height, width) if isinstance(size, int) else min(size[0] / height, size[1] / width)
    return None if share >= 1 else (max(round(height * share), 1), max(round(width * share), 1))


def _image_bytes(item: DataItem, image: np.ndarray) -> tuple[str, bytes]:
    """JPEG and PNG files byte for byte; other files, and arrays, as PNG without loss."""
    stored = fetch(item.image)
    if isinstance(stored, Encoded):
        for magic, extension in _AS_IT_IS.items():
            if stored.data.startswith(magic):
                return extension, stored.data
    return "png", _encoded(".png", image[..., ::-1])


def _depth_bytes(item: DataItem, metres: np.ndarray, packing: Packing, plain: bool) -> bytes:
    """plain: its file may be what is wanted already."""
    numbers = metres * np.float32(packing.scale)
    numbers = np.rint(numbers) if packing.depth == "png" else numbers
    largest = float(numbers.max(initial=0))
    if largest > _LARGEST[packing.depth]:
        deepest, limit = largest / packing.scale, _LARGEST[packing.depth] / packing.scale
        advice = f"--depth-scale {65535 / deepest:.4g} or less, or --depth npy" if packing.depth == "png" else "png"
        raise _TooDeep(f"{item.depth}: has depth of {deepest:.6g} m, but only {limit:.6g} m fit; use {advice}")
    if packing.depth == "npy":
        with io.BytesIO() as file:
            np.save(file, numbers.astype(np.float16), allow_pickle=False)
            return file.getvalue()
    whole = numbers.astype(np.uint16)
    assert item.depth is not None
    if plain and suffix_of(item.depth) == ".png":
        found, stored = fetch(item.depth), read_stored(item.depth)
        if isinstance(found, Encoded) and stored.dtype == np.uint16 and np.array_equal(stored, whole):
            return found.data
    return _encoded(".png", whole)


def _encoded(kind: str, pixels: np.ndarray, quality: int | None = None) -> bytes:
    options = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    good, data = cv2.imencode(kind, np.ascontiguousarray(pixels), options)
    if not good:
        raise DataError(f"{pixels.shape[0]}x{pixels.shape[1]} pixels cannot be stored as {kind}")
    return data.tobytes()


def _as_is(sample: PackedSample) -> PackedSample:
    return sample
