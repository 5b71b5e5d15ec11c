"""What a frozen teacher said of a training view, or of a whole image, kept on disk: who meets it again reads it
instead of asking.

Content decides: a view is found by its pixels, the teacher's weights and the precision, never by an index. Whatever
changes one of them (an augmentation, a size, a teacher that was trained) simply finds nothing. What is used is always
what is stored, also when it was computed just now, so a run and its repetition learn from the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from disdepth_cli.config.types import Precision
from disdepth_cli.files import write_atomic, write_first
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.types import DepthOutput, ViewOrigin

FORMAT = "disdepth-teacher-view-1"
CHECK = "check"  # names the digest of a file's other tensors: a damaged file is not believed
DEPTH = "depth"

View = dict[str, Tensor]
"""What is stored of a view: `depth` (1, H, W) where the teacher has one, and `feature.0`, ... (C, h, w)."""


class TeacherCache:
    """The outputs of frozen teachers in a folder, which any number of runs and processes may share.

    views: how many were asked for; computed: how many of them a teacher had to look at.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.views, self.computed = 0, 0
        self._identities: dict[DepthTeacher, bytes] = {}

    def infer(
        self,
        teacher: DepthTeacher,
        image: Tensor,
        precision: Precision,
        origin: ViewOrigin | None = None,
        looking: DepthTeacher | None = None,
    ) -> DepthOutput:
        """What `teacher(image, origin)` gives, rounded as it is stored, float32; the teacher sees what was not met
        before. Of one that sees whole images, an image is one entry, whatever views are cut from it.

        image (B, 3, H, W) float32 RGB in [0, 1]. Called within the autocast of `precision`. looking: the
        same teacher with its weights already cast to it.

        Raises:
            DisdepthError: the disk is full, or the folder cannot be written.
        """
        assert teacher.frozen, "a teacher that learns says something else each time"
        looking = looking or teacher
        if teacher.contract.sees == "stored":
            return looking(image, origin)
        return teacher.answer(image, origin, partial(self._look, teacher, looking, precision))

    def _look(
        self,
        teacher: DepthTeacher,
        looking: DepthTeacher,
        precision: Precision,
        image: Tensor,
        focal: Tensor | None,
    ) -> DepthOutput:
        keys = self._keys(teacher, image, precision, focal)
        kept = {key: view for key in dict.fromkeys(keys) if (view := self._read(key)) is not None}
        missing = {key: index for index, key in enumerate(keys) if key not in kept}
        if missing:
            indices = list(missing.values())
            every = len(indices) == len(image)
            own_focal = focal if every or focal is None else focal[indices]
            output = looking.infer(image if every else image[indices], own_focal)
            for key, view in zip(missing, _views(output), strict=True):
                kept[key] = self._keep(key, view)
        self.views, self.computed = self.views + len(keys), self.computed + len(missing)
        return _batch([kept[key] for key in keys], image.device)

    def _keys(self, teacher: DepthTeacher, image: Tensor, precision: Precision, focal: Tensor | None) -> list[str]:
        if teacher not in self._identities:
            self._identities[teacher] = _identity(teacher)
        same = f"{FORMAT} {precision} {tuple(image.shape[1:])} ".encode() + self._identities[teacher]
        lengths = [b""] * len(image) if focal is None else [f"{length:.9g} ".encode() for length in focal.tolist()]
        images = image.detach().cpu()
        return [_digest(same + length, pixels) for length, pixels in zip(lengths, images, strict=True)]

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"

    def _read(self, key: str) -> View | None:
        """None: it is not there, or not whole."""
        try:
            view = safetensors.torch.load(self._path(key).read_bytes())
            return view if torch.equal(view.pop(CHECK), _check(view)) else None
        except (OSError, safetensors.SafetensorError, LookupError, ValueError):
            return None

    def _keep(self, key: str, view: View) -> View:
        """Store a view; where another process was faster, what that one stored is what counts."""
        content = safetensors.torch.save({**view, CHECK: _check(view)})
        path = self._path(key)
        if write_first(path, lambda temporary: temporary.write_bytes(content)):
            return view
        stored = self._read(key)
        if stored is not None:
            return stored
        write_atomic(path, lambda temporary: temporary.write_bytes(content))  # over a damaged one
        return view


def _views(output: DepthOutput) -> list[View]:
    """A batch's output, view by view, as it is stored."""
    tensors = {f"feature.{level}": feature.detach().cpu() for level, feature in enumerate(output.features)}
    depth = None if output.depth is None else output.depth.detach().float().cpu()
    views = [{name: _halved(rows[index]) for name, rows in tensors.items()} for index in range(len(output.features[0]))]
    if depth is not None:
        # Depth is a label: logarithms and inverses are taken of it, and far disparity is near 0. It stays as it is.
        for view, one in zip(views, depth, strict=True):
            view[DEPTH] = one.clone(memory_format=torch.contiguous_format)
    return views


def _halved(feature: Tensor) -> Tensor:
    """A feature map in two bytes a number: as it is from bf16 or fp16, else float16 where that can hold it."""
    if feature.dtype in (torch.bfloat16, torch.float16):
        return feature.clone(memory_format=torch.contiguous_format)
    half = feature.to(torch.float16, memory_format=torch.contiguous_format)
    return half if bool(torch.isfinite(half).all()) else feature.float().contiguous()


def _batch(views: Sequence[View], device: torch.device) -> DepthOutput:
    def stacked(name: str) -> Tensor:
        return torch.stack([view[name].float() for view in views]).to(device)

    levels = sum(name != DEPTH for name in views[0])
    depth = stacked(DEPTH) if DEPTH in views[0] else None
    return DepthOutput(depth=depth, features=[stacked(f"feature.{level}") for level in range(levels)])


def _identity(teacher: DepthTeacher) -> bytes:
    """What makes a teacher the one it is: its contract's terms, and its weights, which may be a trained one's."""
    own, digest = teacher.contract, hashlib.blake2b(digest_size=20)
    terms = (own.fingerprint, own.kind, own.taps, own.mean, own.std, own.size_multiple, own.fixed_size, own.max_depth)
    digest.update(repr(terms).encode())
    for name, value in sorted(teacher.state_dict().items()):
        digest.update(_digest(name.encode(), value).encode())
    return digest.digest()


def _check(view: View) -> Tensor:
    """(20,) uint8: the digest of a view's names, types, shapes and numbers."""
    whole = "".join(
        _digest(f"{name} {value.dtype} {tuple(value.shape)}".encode(), value) for name, value in sorted(view.items())
    )
    return torch.tensor(list(hashlib.blake2b(whole.encode(), digest_size=20).digest()), dtype=torch.uint8)


def _digest(words: bytes, numbers: Tensor) -> str:
    digest = hashlib.blake2b(words, digest_size=20)
    digest.update(_bytes(numbers))
    return digest.hexdigest()


def _bytes(numbers: Tensor) -> memoryview:
    """A tensor's bytes in row-major order, whatever its memory format; numpy knows no bfloat16."""
    return numbers.detach().cpu().reshape(-1).view(torch.uint8).numpy().data
