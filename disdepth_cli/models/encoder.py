"""The student's backbone: any timm CNN that gives features at strides 4, 8, 16 and 32."""

from __future__ import annotations

import functools
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from disdepth_cli.config import STUDENTS
from disdepth_cli.errors import StudentError, first_line, near_names
from disdepth_cli.types import FeatureMaps, FeatureSpec

REDUCTIONS = (4, 8, 16, 32)


@dataclass(frozen=True)
class BackboneStart:
    """What a backbone starts from: timm's weights on the Hub, a local file, or (neither) random values."""

    pretrained: bool = False
    weights: Path | None = None
    offline: bool = False


class Encoder(nn.Module):
    """A timm backbone. image (B, 3, H, W) normalised -> `FeatureMaps` at strides 4, 8, 16, 32."""

    def __init__(self, net: nn.Module, spec: FeatureSpec) -> None:
        super().__init__()
        self.net = net
        self.spec = spec

    def forward(self, image: Tensor) -> FeatureMaps:
        return list(self.net(image))


def timm_name(student: str) -> str:
    """The timm model of a short or full student name.

    Raises:
        StudentError: no such model; near names are suggested.
    """
    import timm  # here and below: it takes as long to import as torch, and other runtimes have no use for it

    name = STUDENTS.get(student, student)
    if not timm.is_model(name.split(".")[0]):
        choices = [*STUDENTS, *timm.list_models()]
        raise StudentError(f"--student {student}: not a timm model{near_names(student, choices)}")
    return name


def build_encoder(student: str, start: BackboneStart) -> tuple[Encoder, dict[str, Any]]:
    """Build a backbone and its timm configuration (mean, std, ...).

    Raises:
        StudentError: unknown name, not a CNN with the four strides, or weights that cannot be had.
    """
    import timm

    name = timm_name(student)
    indices = _feature_indices(name)
    net = _create(name, indices)
    weights = start.weights or (_hub_weights(name, start.offline) if start.pretrained else None)
    if weights is not None:
        _load_weights(net, weights, name)
    spec = FeatureSpec(tuple(net.feature_info.channels()), tuple(net.feature_info.reduction()))
    return Encoder(net, spec), timm.data.resolve_model_data_config(net)


def _create(name: str, indices: tuple[int, ...] | None, **options: Any) -> Any:
    import timm

    chosen = {} if indices is None else {"out_indices": indices}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm's notes on aliases; wrong names are handled above
        return timm.create_model(name, features_only=True, **chosen, **options)


@functools.cache  # the whole network is built to ask it
def _feature_indices(name: str) -> tuple[int, ...]:
    try:
        with torch.device("meta"):
            info = _create(name, None).feature_info
        reductions = info.reduction()
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        raise StudentError(f"--student {name}: timm gives no features of it; choose a CNN ({error})") from None
    indices = {r: i for r, i in zip(reductions, info.out_indices, strict=True)}
    if any(r not in indices for r in REDUCTIONS):
        raise StudentError(
            f"--student {name}: has features at strides {', '.join(map(str, reductions))}; a student needs a CNN "
            "with 4, 8, 16 and 32, for example mobilenetv2"
        )
    return tuple(indices[r] for r in REDUCTIONS)


def _hub_weights(name: str, offline: bool) -> Path:
    """The safetensors file of timm's own weights, from the Hub or its cache. A pickled one is never asked for."""
    remedy = "give a local file with --student-weights FILE.safetensors, or start at random with --no-pretrained"
    import huggingface_hub
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise StudentError(f"--student {name}: timm has no pretrained weights of it on the Hub; {remedy}")
    repo = config.hf_hub_id
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.ERROR)  # without a network it would tell of every retry; one line comes from here
    try:
        return Path(huggingface_hub.hf_hub_download(repo, "model.safetensors", local_files_only=offline))
    # Whatever the network libraries, the Hub's client or its cache raise: they change between versions.
    except Exception as error:
        raise StudentError(
            f"--student {name}: its weights cannot be had from the Hub ({repo}: {first_line(error)}); {remedy}"
        ) from error
    finally:
        log.setLevel(level)


def _load_weights(net: nn.Module, file: Path, name: str) -> None:
    """Load timm weights of the whole classifier into the feature network; every feature weight must be there."""
    try:
        tensors = load_file(file)
    except FileNotFoundError:
        raise StudentError(f"--student-weights {file}: no such file") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise StudentError(f"--student-weights {file}: is not a whole safetensors file ({error})") from None
    # timm's feature networks flatten names: stages.0.x of the classifier is stages_0.x here.
    given = {_flat(key): tensor for key, tensor in tensors.items()}
    wanted = net.state_dict()
    found, missing = {}, []
    for key, value in wanted.items():
        tensor = given.get(_flat(key.removeprefix("model.")))
        if tensor is not None and tensor.shape == value.shape:
            found[key] = tensor.to(value.dtype)
        elif key.endswith("num_batches_tracked"):
            found[key] = value
        else:
            missing.append(key)
    if missing:
        raise StudentError(
            f"--student-weights {file}: not the weights of {name}: {len(missing)} of {len(wanted)} tensors are "
            f"missing or of another shape, first {missing[0]}"
        )
    net.load_state_dict(found, strict=True)


def _flat(key: str) -> str:
    return key.replace(".", "_")
