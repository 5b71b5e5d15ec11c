"""Data and models that are wrong without being damaged: never a silent number."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import yaml
from lab import STUDENT, TINY, Lab
from outcome import Trial, disdepth, failure_of
from PIL import Image

from disdepth_cli.checkpoint.metadata import HEADER_KEY, read_metadata

Change = Callable[[np.ndarray], np.ndarray]
EVERY, HALF, FIFTH = 1, 2, 5

LABELS: dict[str, tuple[Change, int, tuple[str, ...], str]] = {
    "all divided by 10": (lambda depth: depth / 10, EVERY, ("train", "val"), "median depth is"),
    "all divided by 1000": (lambda depth: depth / 1000, EVERY, ("train", "val"), "median depth"),
    "half divided by 10": (lambda depth: depth / 10, HALF, ("train",), "two groups"),
    "half divided by 25.6": (lambda depth: depth / 25.6, HALF, ("train",), "two groups"),
    "val divided by 5": (lambda depth: depth / 5, EVERY, ("val",), "median depth of train"),
    "inverse": (lambda depth: 8e6 / depth.clip(1), EVERY, ("train", "val"), "farther at the bottom"),
    "one value": (lambda depth: np.full_like(depth, 2000), FIFTH, ("train",), "one value everywhere"),
    "no depth in some": (np.zeros_like, FIFTH, ("train",), "depth maps (have nothing|looked at have no depth)"),
    "no depth at all": (np.zeros_like, EVERY, ("train",), "train"),
    "all at the top": (lambda depth: np.full_like(depth, 65535), EVERY, ("train",), "train"),
}
"""Name: (what becomes of stored millimetres, of every n-th map, in which lists, what must be said)."""


def poisoned(lab: Lab, folder: Path, count: int, first_seed: int, only: Sequence[str] = ()) -> Iterator[Trial]:
    """All of it, once, whatever the count. only: some of labels, models."""
    folder.mkdir()
    if not only or "labels" in only:
        yield from _labels(lab, folder)
    if not only or "models" in only:
        yield from _models(lab, folder)


def _labels(lab: Lab, folder: Path) -> Iterator[Trial]:
    """`check` and `distill` both speak of labels that cannot be right."""
    train = ("distill", "--no-distill", "--no-pretrained", "--max-steps", 1, *STUDENT, *TINY)
    for name, (change, every, lists, words) in LABELS.items():
        place = Path(shutil.copytree(lab.data.parent, folder / name.replace(" ", "-")))
        for listed in lists:
            for row in (place / f"{listed}.txt").read_text().splitlines()[::every]:
                file = place / row.split()[1]
                stored = change(np.asarray(Image.open(file)).astype(np.float64))
                Image.fromarray(stored.clip(0, 65535).astype(np.uint16)).save(file)
        for command in (("check", place, "--no-picture"), (*train, "--data", place / "data.yaml", "-o", place / "run")):
            result = disdepth(*command)
            said = " ".join((result.stdout + result.stderr).split())
            failure = failure_of(result, codes=(0, 1)) or (None if re.search(words, said) else "not spoken of")
            yield Trial("poison", f"{name}: {command[0]}", failure)


def _models(lab: Lab, folder: Path) -> Iterator[Trial]:
    """Impossible students and teachers are refused; nothing that is no number reaches a JSON."""
    image = min((lab.data.parent / "rgb").iterdir())
    weights = safetensors.torch.load_file(lab.run / "student.safetensors")
    header = read_metadata(lab.run / "student.safetensors").model_dump(mode="json")
    first = next(name for name, tensor in weights.items() if tensor.is_floating_point())
    broken = {first: torch.full_like(weights[first], float("nan"))}
    students = {
        "a NaN weight": (weights | broken, header),
        "least depth beyond the largest": (weights, header | {"min_depth": 20.0}),
        "an infinite range": (weights, header | {"max_depth": float("inf")}),
        "a std of 0": (weights, header | {"std": [0, 1, 1]}),
    }
    for name, (tensors, values) in students.items():
        file = folder / f"{name.replace(' ', '-')}.safetensors"
        safetensors.torch.save_file(tensors, file, {HEADER_KEY: json.dumps(values)})
        result = disdepth("predict", image, "-c", file, "-o", folder / "out", "--json")
        yield Trial("poison", f"student: {name}", failure_of(result, codes=(1,)))
    teacher = Path(shutil.copytree(lab.teacher, folder / "teacher"))
    tensors = safetensors.torch.load_file(teacher / "model.safetensors")
    name = next(name for name in tensors if "head" in name)
    tensors[name] = torch.full_like(tensors[name], float("nan"))
    safetensors.torch.save_file(tensors, teacher / "model.safetensors", {"format": "pt"})
    acclimate = ("acclimate", "--teacher", teacher, "--data", lab.data, *STUDENT, *TINY, "--max-steps", 1)
    result = disdepth(*acclimate, "-o", folder / "acclimated")
    yield Trial("poison", "teacher: NaN weights, acclimate", failure_of(result, codes=(1,)))
    result = disdepth("evaluate", teacher, "--data", lab.data, "--device", "cpu", "--workers", 0, "--json")
    failure = failure_of(result, codes=(0, 1)) or (_no_json(result.stdout) if result.returncode == 0 else None)
    yield Trial("poison", "teacher: NaN weights, evaluate --json", failure)
    yield Trial("poison", "labels: of another scale than the teacher, acclimate", _other_scale(lab, folder))


def _no_json(text: str) -> str | None:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError as error:
        return f"no JSON: {error}"
    return None


def _other_scale(lab: Lab, folder: Path) -> str | None:
    """Labels of a plausible but other scale than the metres of the teacher."""
    values = yaml.safe_load(lab.data.read_text()) | {"path": str(lab.data.parent), "depth_scale": 1400}
    (folder / "scaled.yaml").write_text(yaml.safe_dump(values))
    command = ("acclimate", "--teacher", lab.teacher, "--data", folder / "scaled.yaml", *STUDENT, *TINY)
    result = disdepth(*command, "--max-steps", 1, "-o", folder / "scaled")
    spoken = re.search(r"sees things 1\.\d+ times as far as the labels say", " ".join(result.stderr.split()))
    return failure_of(result, codes=(0,)) or (None if spoken else "not spoken of")
