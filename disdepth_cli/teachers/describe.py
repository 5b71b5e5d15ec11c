"""A teacher's contract without fetching its weights: of a Hub repository, only its small files are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from disdepth_cli.config.teacher_name import is_own
from disdepth_cli.errors import TeacherError
from disdepth_cli.hub.download_plan import DownloadPlan, describe_files, plan_download
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.contract import TeacherContract
from disdepth_cli.teachers.files import resolve_small_files
from disdepth_cli.teachers.flops import forward_flops, real_flops
from disdepth_cli.teachers.teacher import DepthTeacher


def describe_teacher(
    name: str, *, revision: str | None = None, weights: Path | None = None, offline: bool = False
) -> TeacherContract:
    """The contract of the teacher `name`, FLOPs included; arguments as those of `load_teacher`.

    Weights that lie on this machine are loaded and looked through. Others stay where they are: the model is then
    built from its config without weights, and the contract says that they were not probed and what would be fetched.

    Raises:
        TeacherError: as `load_teacher`.
    """
    here = weights is not None or Path(name).is_dir() or is_own(name)
    plan = None if here else _plan(name, revision, offline)
    if plan is None or all(file.cached for file in plan.weights):
        return with_flops(load_teacher(name, revision=revision, weights=weights, offline=offline))
    contract = outline(_builder(name, plan))
    return replace(
        contract,
        weight_bytes=sum(file.size for file in plan.weights),
        weights="missing",
        download=describe_files(tuple(file for file in plan.missing if file.is_weights)),
    )


def with_flops(teacher: DepthTeacher) -> TeacherContract:
    """The teacher's contract with the FLOPs of one image at its working size.

    Code of other people runs as it is, or not at all: its FLOPs are counted on real numbers, or left open.
    """
    if teacher.contract.family == "stored":
        return teacher.contract
    size = teacher.contract.working_size
    if teacher.contract.family == "yours":
        return replace(teacher.contract, flops=real_flops(teacher, size.padded(size.height, size.width)))
    flops = forward_flops(teacher.network, size.padded(size.height, size.width))
    return replace(teacher.contract, flops=flops)


def _plan(name: str, revision: str | None, offline: bool) -> DownloadPlan | None:
    """What would be fetched; None for names that are refused, which `load_teacher` words."""
    repo = _repository(name)
    return None if repo is None else plan_download(repo, revision, offline)


def _repository(name: str) -> str | None:
    if not name.startswith("timm:"):
        return name if name.count("/") == 1 and not name.startswith((".", "/", "~")) else None
    from disdepth_cli.teachers.timm_family import hub_id

    return hub_id(name.removeprefix("timm:"))


def _builder(name: str, plan: DownloadPlan) -> Callable[[], DepthTeacher]:
    """The teacher without its weights, from the small files of its repository."""
    if name.startswith("timm:"):
        from disdepth_cli.teachers.timm_family import hub_id, outline_timm_teacher

        encoder = name.removeprefix("timm:")
        repo_id = hub_id(encoder)
        assert repo_id is not None
        repo = resolve_small_files(repo_id, plan.commit)
        return lambda: outline_timm_teacher(encoder, repo)
    from disdepth_cli.teachers.transformers_family import load_transformers_teacher

    repo = resolve_small_files(name, plan.commit)
    return lambda: load_transformers_teacher(repo, with_weights=False)


def outline(build: Callable[[], DepthTeacher]) -> TeacherContract:
    """The contract of a teacher without weights, on the meta device where its code can run there, else at random."""
    try:
        with torch.device("meta"):
            return with_flops(build())
    except (TeacherError, RuntimeError, NotImplementedError, TypeError, ValueError):
        with torch.random.fork_rng(devices=[]):
            return with_flops(build())
