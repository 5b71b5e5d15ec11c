"""Convert-teacher: weights that were trained in a network's original repository, as a folder in Hub format."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from disdepth_cli.config import ConvertTeacherConfig
from disdepth_cli.errors import ConfigError, TeacherError
from disdepth_cli.files import check_writable, write_atomic, write_text
from disdepth_cli.hub.fetch import first_line
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.results.models import ConvertedTeacher
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.files import ResolvedRepo, resolve_settings
from disdepth_cli.teachers.original_names import Renamed, grouped, rename
from disdepth_cli.teachers.preprocessing import read_json
from disdepth_cli.teachers.transformers_family import empty_model, quiet

INSIDE = ("model", "state_dict", "model_state_dict", "net", "network", "weights", "ema", "teacher")
"""Where training scripts put the weights in their checkpoints."""

SETTINGS = ("preprocessor_config.json", "processor_config.json")


def convert_teacher(config: ConvertTeacherConfig, observer: Observer = SILENT) -> ConvertedTeacher:
    """Write a checkpoint of a network's original repository as a teacher in Hub format.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    out = config.output or config.file.with_suffix("").with_name(f"{config.file.stem}-teacher")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"-o {out}: already holds something; name another folder")
    like = resolve_settings(config.like, config.revision, config.offline)
    settings = _settings(like, config)
    try:
        found = rename(read_weights(config.file), _wanted(like), str(settings.get("model_type")), like.id)
    except TeacherError as error:
        raise TeacherError(f"{config.file}: {error}") from None
    observer.on_note(f"{len(found.names)} weights of {config.file.name} have their places in {like.id}")
    try:
        check_writable(out / "config.json")
        _write(out, settings, like, found)
        contract = load_teacher(str(out)).contract  # looks at the test room: weights in wrong places give no depth
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return ConvertedTeacher(
        teacher=str(out),
        like=like.id,
        weights=len(found.names),
        key_map={key: list(names) for key, names in found.names.items()},
        grouped=grouped(found.names),
        contract=dict(line.split(": ", 1) for line in contract.lines()),
    )


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, wherever in it they lie. Nothing but tensors and plain values is ever unpickled.

    Raises:
        TeacherError: it cannot be read, holds other objects, or no weights.
    """
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(file)
        contents = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TeacherError("no such file") from None
    except Exception as error:  # pickle, zip and safetensors have errors of their own
        if "Unsupported global" in str(error) or "Unsupported class" in str(error):
            raise TeacherError(
                "holds pickled objects beside its weights, which are never loaded; where it was trained: "
                'torch.save(model.state_dict(), "weights.pth")'
            ) from None
        raise TeacherError(f"cannot be read as a checkpoint ({first_line(error)})") from None
    found = _tensors(contents)
    if found is None:
        mapping = isinstance(contents, Mapping)
        held_keys = ", ".join(map(str, list(contents)[:8])) if mapping else type(contents).__name__
        raise TeacherError(f"holds no weights that can be told ({held_keys}); save model.state_dict() alone")
    return found


def _tensors(contents: Any) -> dict[str, Tensor] | None:
    """The weights in what a file holds: a dict of tensors, or such a dict under a usual name, or the only one."""
    if not isinstance(contents, Mapping):
        return None
    if contents and all(isinstance(value, Tensor) for value in contents.values()):
        return {str(key): value for key, value in contents.items()}
    inside = {str(key): found for key, value in contents.items() if (found := _tensors(value)) is not None}
    named = [inside[name] for name in INSIDE if name in inside]
    if named:
        return named[0]
    return next(iter(inside.values())) if len(inside) == 1 else None


def _settings(like: ResolvedRepo, config: ConvertTeacherConfig) -> dict[str, Any]:
    """config.json of the model it is like, with what the options change."""
    settings = read_json(like.path / "config.json")
    if config.max_depth is not None:
        settings |= {"max_depth": config.max_depth, "depth_estimation_type": "metric"}
    return settings


def _wanted(like: ResolvedRepo) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the model's weights, as transformers writes them."""
    with TemporaryDirectory() as folder, quiet(), torch.random.fork_rng(devices=[]):
        empty_model(like).save_pretrained(folder)  # type: ignore[operator]
        shapes: dict[str, tuple[int, ...]] = {}
        for file in Path(folder).glob("*.safetensors"):
            with safetensors.safe_open(file, "pt") as handle:
                shapes |= {name: tuple(handle.get_slice(name).get_shape()) for name in handle.keys()}  # noqa: SIM118
        return shapes


def _write(out: Path, settings: dict[str, Any], like: ResolvedRepo, found: Renamed) -> None:
    write_text(out / "config.json", json.dumps(settings, indent=2) + "\n")
    for name in SETTINGS:
        if (like.path / name).is_file():
            write_text(out / name, (like.path / name).read_text(encoding="utf-8"))
    if like.licence is not None:  # what was trained from it is bound by it
        write_text(out / "README.md", f"---\nlicense: {like.licence}\n---\nTrained from {like.id}.\n")
    content = safetensors.torch.save(found.weights, {"format": "pt"})
    write_atomic(out / "model.safetensors", lambda temporary: temporary.write_bytes(content))
