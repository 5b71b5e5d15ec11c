"""Any transformer behind one interface: `load_teacher` gives a frozen `DepthTeacher` that states its contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from disdepth_cli.config.teacher_name import WELL_KNOWN, is_own, teacher_hint, teacher_name
from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.contract import Taps, TeacherContract
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.teachers.yours.description import Tap, TeacherDescription

__all__ = [
    "WELL_KNOWN",
    "DepthTeacher",
    "Tap",
    "TeacherContract",
    "TeacherDescription",
    "load_teacher",
    "teacher_hint",
]


def load_teacher(
    name: Any,
    *,
    revision: str | None = None,
    weights: Path | str | None = None,
    offline: bool = False,
    pretrained: bool = True,
    taps: Taps = "encoder",
    announce: Callable[[str], None] | None = None,
    named: bool = True,
) -> DepthTeacher:
    """A teacher with its contract: what its numbers mean, its sizes, its licence.

    Args:
        name: FILE.py:FUNCTION, an object in its place, or a teacher that an installed package brings; `timm:NAME`; an
            existing folder, in Hub format or of stored depth maps; or a Hub id.
        revision: commit, tag or branch on the Hub.
        weights: a safetensors file, for `timm:NAME` only.
        offline: never ask the network.
        pretrained: False gives `timm:NAME` random weights, for tests.
        taps: "encoder", or "neck": the fused maps of a depth model's decoder.
        announce: is told in one line what will be downloaded, before it is.
        named: False where a run folder, and not the user, names the teacher: then no code is run that the user has not
            named before.

    Returns:
        The teacher, frozen, on the CPU in float32: image (B, 3, H, W) RGB in [0, 1] -> `DepthOutput`.

    Raises:
        TeacherError: it cannot be found, fetched, loaded or used; one line that says what to do.

    Example:
        >>> from disdepth_cli import load_teacher
        >>> contract = load_teacher("teacher").contract
        >>> contract.kind, contract.unit, contract.max_depth
        ('metric_depth', 'm', 10.0)
    """
    name, weights = str(teacher_name(name)), Path(weights) if weights is not None else None
    if name.startswith("timm:"):
        from disdepth_cli.teachers.timm_family import load_timm_teacher

        if taps == "neck":
            raise TeacherError(f"{name}: is an encoder and has no neck; its taps are those of the encoder")
        encoder = name.removeprefix("timm:")
        return load_timm_teacher(
            encoder, revision=revision, weights=weights, offline=offline, pretrained=pretrained, announce=announce
        ).freeze()
    if weights is not None:
        raise TeacherError(f"--teacher-weights: only for --teacher timm:NAME; {name} brings its own weights")
    if (own := _own(name, named)) is not None:
        return own.freeze()
    if not name or not Path(name).is_dir():  # the empty path is the current folder
        _check_id(name)
    from disdepth_cli.teachers.files import resolve_teacher
    from disdepth_cli.teachers.transformers_family import load_transformers_teacher

    return load_transformers_teacher(resolve_teacher(name, revision, offline, announce), taps).freeze()


def _own(name: str, named: bool) -> DepthTeacher | None:
    """A teacher of one's own, or of stored depth maps; None where the name means neither."""
    from disdepth_cli.teachers.yours.load import load_your_teacher
    from disdepth_cli.teachers.yours.stored import holds_depth, load_stored_teacher

    if is_own(name):
        return load_your_teacher(name, named)
    return load_stored_teacher(Path(name)) if name and Path(name).is_dir() and holds_depth(Path(name)) else None


def _check_id(name: str) -> None:
    """Refuse what cannot be a Hub id, before the network is asked.

    Raises:
        TeacherError: a path without a folder, or a bare word.
    """
    if Path(name).is_file():
        raise TeacherError(f"{name}: is a file; {_advice(Path(name))}")
    if name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1 or name[1:3] == ":/":
        raise TeacherError(f"{name}: no such folder")
    if "/" not in name:
        hint = teacher_hint(name) or _timm_hint(name)
        raise TeacherError(f"{name or '(empty)'}: is no folder, Hub id (OWNER/NAME) or timm:NAME{hint}")


def _advice(file: Path) -> str:
    """What to do with a file that was given as a teacher."""
    if file.suffix == ".py":
        from disdepth_cli.teachers.yours.find import functions_of

        known = functions_of(file)
        there = f"; it has {', '.join(known[:5])}" if known else ""
        return f"name the function in it too, {file}:FUNCTION{there}"
    return "a teacher is a folder in Hub format, a Hub id, timm:NAME or FILE.py:FUNCTION"


def _timm_hint(name: str) -> str:
    import timm

    return f"; did you mean timm:{name}?" if timm.is_model(name) else ""
