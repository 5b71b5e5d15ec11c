"""Depth models of transformers as teachers. Only local code and safetensors: nothing of a repository is executed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from disdepth_cli.errors import TeacherError, first_line, one_line
from disdepth_cli.teachers.architectures import (
    ARCHITECTURES,
    REFUSED,
    Architecture,
    has_stages,
    is_unused,
    native_size,
    stated_kind,
)
from disdepth_cli.teachers.contract import Kind, ProbeResult, Taps, TeacherContract
from disdepth_cli.teachers.files import ResolvedRepo, fingerprint, total_bytes, weight_files
from disdepth_cli.teachers.preprocessing import Preprocessing, read_json, read_preprocessing
from disdepth_cli.teachers.probe import STATE_IT, probe, probe_size, settle_kind
from disdepth_cli.teachers.shapes import outline
from disdepth_cli.teachers.teacher import DepthTeacher, TeacherNetwork, resize_output
from disdepth_cli.types import FeatureMaps


class TransformersNetwork(TeacherNetwork):
    """Pixels (B, 3, h, w) -> output (B, 1, h', w') and the features of the chosen taps, in one forward."""

    def __init__(self, model: nn.Module, architecture: Architecture, taps: Taps) -> None:
        super().__init__()
        self.model = model
        self.architecture = architecture
        self.taps = taps

    def forward(self, pixels: Tensor, *focal: Tensor) -> tuple[Tensor | None, FeatureMaps]:
        seen = self.architecture.run(self.model, pixels)
        return seen.output.unsqueeze(1), seen.encoder if self.taps == "encoder" else seen.neck

    def finish(self, output: Tensor, size: tuple[int, int]) -> Tensor:
        return self.architecture.finish(resize_output(output, size, self.architecture.resample))


def load_transformers_teacher(repo: ResolvedRepo, taps: Taps = "encoder", with_weights: bool = True) -> DepthTeacher:
    """The depth model of a folder in Hub format, in float32 whatever it is stored in.

    taps: "encoder" gives the encoder's features at its declared outputs; "neck" the decoder's fused maps.
    with_weights: False builds it from its config alone, on torch's default device, unprobed: for a description.

    Raises:
        TeacherError: an unsupported model, files that are missing, damaged or do not fit each other, or numbers that
            are not what the config declares.
    """
    architecture = _architecture(repo)
    files = weight_files(repo) if with_weights else []
    model = _load_model(repo) if with_weights else empty_model(repo)
    config: Any = model.config
    multiple, side = architecture.multiple(config), architecture.side(config)
    input_ = _input(repo, architecture, config)
    network = TransformersNetwork(model, architecture, taps)
    size = probe_size(input_.working_size, multiple, side)
    max_depth, declared = architecture.max_depth(config), stated_kind(config) or architecture.kind(config)
    if with_weights:
        seen = _look(network, size, repo, config, input_)
        kind = settle_kind(repo.id, declared, max_depth, seen)
    else:
        seen, kind = ProbeResult(outline(network, size)), _declared(repo.id, declared)
    contract = TeacherContract(
        id=repo.id,
        family="transformers",
        model_type=config.model_type,
        kind=kind,
        unit="m" if kind == "metric_depth" else "none",
        max_depth=max_depth if kind == "metric_depth" else None,
        size_multiple=multiple,
        mean=input_.mean,
        std=input_.std,
        working_size=input_.working_size,
        taps=architecture.taps(model) if taps == "encoder" else tuple(f"neck{i + 1}" for i in range(len(seen.spec))),
        spec=seen.spec,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        licence=repo.licence,
        revision=repo.revision,
        fingerprint=fingerprint(files) if with_weights else "none",
        fixed_size=None if side is None else (side, side),
        sees="view" if side is None else "whole",
        probe=seen if with_weights else None,
        weight_bytes=total_bytes(files),
    )
    return DepthTeacher(network, contract)


def _input(repo: ResolvedRepo, architecture: Architecture, config: Any) -> Preprocessing:
    """What the model's image processor does to an image."""
    return read_preprocessing(
        repo.path,
        architecture.mean,
        architecture.std,
        native_size(config),
        architecture.multiple(config),
        architecture.side(config),
        architecture.processor,
        patches=not has_stages(config),
    )


def _declared(name: str, kind: Kind | None) -> Kind:
    if kind is None:
        raise TeacherError(
            f"{name}: its config.json leaves open what its numbers are, and its weights are not here to be looked at; "
            + STATE_IT
        )
    return kind


def _look(
    network: TransformersNetwork, size: tuple[int, int], repo: ResolvedRepo, config: Any, input_: Preprocessing
) -> ProbeResult:
    """Probe the network; what goes wrong inside transformers becomes one line."""
    try:
        with quiet():
            return probe(network, size, repo.id, input_.mean, input_.std)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, AssertionError) as error:
        backbone = getattr(getattr(config, "backbone_config", None), "model_type", None)
        what = f"{config.model_type} with {backbone}" if backbone else config.model_type
        raise TeacherError(
            f"{repo.id}: {what} fails on a test image, its config.json does not fit ({first_line(error)})"
        ) from error


def _architecture(repo: ResolvedRepo) -> Architecture:
    """How the repository's model is used, by its `model_type` alone.

    Raises:
        TeacherError: a model that cannot teach, with the reason and the list of those that can.
    """
    config = read_json(repo.path / "config.json")
    model_type = config.get("model_type")
    supported = ", ".join(ARCHITECTURES)
    if isinstance(model_type, str) and model_type in ARCHITECTURES:
        return ARCHITECTURES[model_type]
    if isinstance(model_type, str) and model_type in REFUSED:
        raise TeacherError(f"{repo.id}: {model_type} {REFUSED[model_type]}; supported are {supported}")
    if config.get("library_name") == "disdepth":
        raise TeacherError(f"{repo.id}: is a student of disdepth, not a teacher; give the teacher it learned from")
    if "auto_map" in config:
        raise TeacherError(
            f"{repo.id}: needs code from its repository, which is never run; supported are the models {supported}"
        )
    if "architecture" in config and "pretrained_cfg" in config:
        raise TeacherError(f"{repo.id}: is a timm encoder; give it as --teacher timm:{config['architecture']}")
    raise TeacherError(f"{repo.id}: model type {model_type!r} is no known depth model; supported are {supported}")


def _load_model(repo: ResolvedRepo) -> nn.Module:
    import transformers

    dtype_option = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
    # Loading draws random numbers for weights it then overwrites; the caller's seed shall not depend on that.
    with quiet(), torch.random.fork_rng(devices=[]):
        try:
            model, info = transformers.AutoModelForDepthEstimation.from_pretrained(
                repo.path,
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                **{dtype_option: torch.float32},
            )
        # Configs are validated by several libraries, each with errors of its own.
        except Exception as error:
            raise TeacherError(f"{repo.id}: transformers cannot load it ({one_line(error)})") from error
    missing = sorted(key for key in info["missing_keys"] if not is_unused(key))
    if missing:
        raise TeacherError(f"{repo.id}: {_why_missing(repo, missing, sorted(info['unexpected_keys']))}")
    return model.eval()


def _why_missing(repo: ResolvedRepo, missing: list[str], unexpected: list[str]) -> str:
    """What is wrong with weights that lack some: another name before all of them, or that they are not whole."""
    ends = {name.split(".", 1)[-1] for name in unexpected} | {name.split(".", 2)[-1] for name in unexpected}
    if unexpected and sum(name in ends for name in missing) > len(missing) / 2:
        before = unexpected[0].removesuffix(next((name for name in missing if unexpected[0].endswith(name)), ""))
        return (
            f"the names of its weights begin with {before or unexpected[0]!r}, as training scripts save them; write "
            f"them anew: disdepth convert-teacher {repo.path / 'model.safetensors'} --like {repo.path} -o FOLDER"
        )
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return f"its weights lack {', '.join(missing[:3])}{more}; fetch the whole model"


def empty_model(repo: ResolvedRepo) -> nn.Module:
    """The model of the repository's config, without its weights."""
    import transformers

    with quiet():
        try:
            config = transformers.AutoConfig.from_pretrained(repo.path, trust_remote_code=False, local_files_only=True)
            model: nn.Module = transformers.AutoModelForDepthEstimation.from_config(config)
        # As above.
        except Exception as error:
            raise TeacherError(f"{repo.id}: transformers cannot build it ({first_line(error)})") from error
    return model.float().eval()


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bar, load report or warning of transformers; everything of note becomes an error of ours."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
