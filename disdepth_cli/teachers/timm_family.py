"""Any timm encoder as a teacher: features only. Its depth is the ghost decoder's, learned by acclimation."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from disdepth_cli.errors import TeacherError, first_line, near_names
from disdepth_cli.hub.fetch import Announce
from disdepth_cli.teachers.contract import TeacherContract, Weights
from disdepth_cli.teachers.files import (
    ResolvedRepo,
    check_safetensors,
    fingerprint,
    resolve_teacher,
    total_bytes,
    weight_files,
)
from disdepth_cli.teachers.probe import probe
from disdepth_cli.teachers.shapes import measure_sizes
from disdepth_cli.teachers.teacher import DepthTeacher, TeacherNetwork, nearest_multiple
from disdepth_cli.types import FeatureMaps
from disdepth_cli.working_size import WorkingSize

LEVELS = 4
ANY_SIZE: tuple[dict[str, bool], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False})
"""Options by which timm's encoders accept any input size; each encoder knows one of them, or neither."""


class TimmNetwork(TeacherNetwork):
    """Pixels (B, 3, h, w) -> no depth, and features (B, C_i, h_i, w_i) at the given depths."""

    def __init__(self, model: nn.Module, indices: list[int], norm: bool) -> None:
        super().__init__()
        self.model = model
        self.indices = indices
        self.norm = norm

    def forward(self, pixels: Tensor, *focal: Tensor) -> tuple[Tensor | None, FeatureMaps]:
        model: Any = self.model
        features = model.forward_intermediates(
            pixels,
            indices=self.indices,
            norm=self.norm,
            stop_early=True,
            output_fmt="NCHW",
            intermediates_only=True,
        )
        return None, list(features)


def load_timm_teacher(
    name: str,
    *,
    revision: str | None = None,
    weights: Path | None = None,
    offline: bool = False,
    pretrained: bool = True,
    announce: Announce | None = None,
) -> DepthTeacher:
    """The timm encoder `name` (without `timm:`), with `weights`, or those of its Hub repository.

    weights: a safetensors file of that very model, used instead of the Hub. `pretrained=False` without weights gives
    random ones: for tests only. announce: is told what will be downloaded, before it is.

    Raises:
        TeacherError: unknown name, no features to give, weights that are missing, unreachable or do not fit.
    """
    with _quiet(), torch.random.fork_rng(devices=[]):
        model = _create(name)
    repo, files = None, []
    if weights is not None:
        if not weights.is_file():
            raise TeacherError(f"--teacher-weights {weights}: no such file")
        check_safetensors(weights, f"--teacher-weights {weights.parent}")
        files = [weights]
        _load_weights(model, files, f"--teacher-weights {weights}", name)
    elif pretrained:
        repo, files = _hub_files(name, revision, offline, announce)
        _load_weights(model, files, repo.id, name)
    mark = fingerprint(files) if files else "random"
    contract = _contract(name, model, repo, mark, "local" if files else "random", total_bytes(files))
    network = _network(name, model)[0]
    with _quiet():  # once more, for numbers that are not finite
        probe(network, contract.fixed_size or (4 * contract.size_multiple, 6 * contract.size_multiple), contract.id)
    return DepthTeacher(network, contract)


def outline_timm_teacher(name: str, repo: ResolvedRepo) -> DepthTeacher:
    """The encoder without weights, on torch's default device (meta, say): good for its description only."""
    with _quiet():
        model = _create(name)
        return DepthTeacher(_network(name, model)[0], _contract(name, model, repo, "none", "missing", 0))


def hub_id(name: str) -> str | None:
    """The Hub repository of an encoder's weights; None for unknown names and encoders without any."""
    try:
        settings = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    except RuntimeError:  # an unknown pretrained tag
        return None
    return str(settings.hf_hub_id) if settings is not None and settings.hf_hub_id else None


def _contract(
    name: str, model: nn.Module, repo: ResolvedRepo | None, mark: str, weights: Weights, size: int
) -> TeacherContract:
    settings = _settings(model)
    network, strides = _network(name, model)
    height, width = settings["input_size"][-2:]
    with _quiet():
        spec, step = measure_sizes(network, strides, (height, width), f"timm:{name}")
    multiple = step or 1
    whole = WorkingSize(
        nearest_multiple(height, multiple),
        nearest_multiple(width, multiple),
        multiple=multiple,
        scale_rule="cover" if step else "stretch",
        pad=False,
    )
    return TeacherContract(
        id=f"timm:{name}",
        family="timm",
        model_type=type(model).__name__,
        kind="none",
        unit="none",
        max_depth=None,
        size_multiple=multiple,
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
        working_size=whole,
        taps=tuple(f"{'block' if network.norm else 'stage'}{index + 1}" for index in network.indices),
        spec=spec,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        licence=repo.licence if repo and repo.licence else settings.get("license"),
        revision=repo.revision if repo else None,
        fingerprint=mark,
        fixed_size=None if step else (height, width),
        sees="view" if step else "whole",
        weights=weights,
        weight_bytes=size,
    )


def _settings(model: nn.Module) -> dict[str, Any]:
    """timm's description of the pretrained model: input_size, mean, std, license, hf_hub_id, classifier, ..."""
    settings: Any = model.pretrained_cfg
    return dict(settings)


def _create(name: str) -> nn.Module:
    """The encoder with random weights and without classifier, told to take any input size where it has the option."""
    if not timm.is_model(name):
        raise TeacherError(f"timm:{name}: timm has no such model{near_names(name, timm.list_models())}")
    for option in ANY_SIZE:
        try:
            return timm.create_model(name, pretrained=False, num_classes=0, **option).eval()
        except TypeError:
            continue
        except RuntimeError:  # an unknown pretrained tag; worded below
            break
    try:
        return timm.create_model(name, pretrained=False, num_classes=0).eval()
    except (RuntimeError, TypeError) as error:
        raise TeacherError(f"timm:{name}: timm cannot build it ({first_line(error)})") from error


def _network(name: str, model: nn.Module) -> tuple[TimmNetwork, list[int]]:
    """Four depths, evenly spread, of an encoder of one stride (normalised, as DINOv2 hands them to dense heads);
    the last stages of one that shrinks. Also the strides that the model declares for them."""
    if not hasattr(model, "forward_intermediates") or not hasattr(model, "feature_info"):
        raise TeacherError(f"timm:{name}: cannot give features from within; take another encoder")
    info: Any = model.feature_info
    strides = [int(level["reduction"]) for level in getattr(info, "info", info)]
    if len(set(strides)) == 1 and len(strides) >= LEVELS:
        indices = [len(strides) * (level + 1) // LEVELS - 1 for level in range(LEVELS)]
        return TimmNetwork(model, indices, norm=True), [strides[index] for index in indices]
    indices = list(range(len(strides)))[-LEVELS:]
    return TimmNetwork(model, indices, norm=False), [strides[index] for index in indices]


def _hub_files(
    name: str, revision: str | None, offline: bool, announce: Announce | None
) -> tuple[ResolvedRepo, list[Path]]:
    repo_id = hub_id(name)
    if not repo_id:
        raise TeacherError(f"timm:{name}: has no weights on the Hub; give them with --teacher-weights FILE.safetensors")
    try:
        repo = resolve_teacher(repo_id, revision, offline, announce)
        return repo, weight_files(repo)
    except TeacherError as error:
        raise TeacherError(f"timm:{name}: {error}; or give --teacher-weights FILE.safetensors") from error


def _load_weights(model: nn.Module, files: list[Path], where: str, name: str) -> None:
    """Load every weight of the encoder; a classifier in the files is left out.

    Raises:
        TeacherError: weights are missing, of another shape, or belong to another model; the first ones are named.
    """
    state: dict[str, Tensor] = {}
    for file in files:
        state |= load_file(file)
    own = model.state_dict()
    # The released files of some encoders have other names or position grids; timm converts them, per module.
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is not None and set(state) != set(own):
        state = convert(state, model)
    classifier = _settings(model).get("classifier") or ()
    heads = {key.split(".")[0] for key in ([classifier] if isinstance(classifier, str) else classifier)}
    extra = [key for key in state if key not in own and key.split(".")[0] not in heads | {"fc_norm", "mask_token"}]
    problems = {
        "lacks": [key for key in own if key not in state],
        "has another shape of": [key for key in own if key in state and own[key].shape != state[key].shape],
        "has no place for": extra,
    }
    for problem, keys in problems.items():
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise TeacherError(f"{where}: is not timm:{name}, it {problem} {', '.join(keys[:3])}{more}")
    model.load_state_dict({key: value for key, value in state.items() if key in own}, strict=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """timm warns about renamed models and, through torch, of deprecated calls of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
