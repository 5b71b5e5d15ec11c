"""Devices and precisions, asked for by name and checked before work starts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

from disdepth_cli.config import LoopConfig
from disdepth_cli.config.types import Precision
from disdepth_cli.errors import ConfigError
from disdepth_cli.machine.launch import launched

if TYPE_CHECKING:  # training alone imports it
    from accelerate import Accelerator

Model = TypeVar("Model", bound=nn.Module)
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA, then MPS, then the CPU.

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"--device {name}: must be auto, cpu, cuda, cuda:N or mps") from None
    missing = (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()) or (
        device.type == "mps" and not torch.backends.mps.is_available()
    )
    if missing or device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"--device {name}: there is no such device here; use --device auto")
    return device


def student_precision(precision: Precision, device: torch.device) -> Precision:
    """What `auto` means for a student: bf16 on CUDA, else fp32 (depth-wise backward in bf16 is slow on CPUs).

    Raises:
        ConfigError: fp16 without CUDA.
    """
    if precision == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    if precision == "fp16" and device.type != "cuda":
        raise ConfigError(f"--precision fp16: needs CUDA, not {device.type}; use bf16 or fp32")
    return precision


def teacher_precision(precision: Precision, device: torch.device) -> Precision:
    """What `auto` means for a frozen teacher: bf16 wherever it is fast, also on CPUs with bf16 units."""
    if precision == "auto" and device.type == "cpu" and _cpu_has_fast_bf16():
        return "bf16"
    return student_precision(precision, device)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager:
    """The autocast context of a resolved precision; nothing for fp32."""
    if precision not in AUTOCAST:
        return nullcontext()
    return torch.autocast(device.type, AUTOCAST[precision])


def make_accelerator(config: LoopConfig) -> Accelerator:
    """The accelerator of a training run. accelerate keeps global state; a second run in one process starts afresh.

    Raises:
        ConfigError: no such device or precision here, or a device that several processes cannot share.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedDataParallelKwargs

    device = pick_device(config.device)
    if launched()[1] > 1 and (device.type == "mps" or device.index is not None):
        raise ConfigError(f"--device {device}: several processes were launched; name cpu, or cuda without a number")
    precision = student_precision(config.precision, device)
    if AcceleratorState._shared_state and not torch.distributed.is_initialized():
        AcceleratorState._reset_state(reset_partial_state=True)
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return Accelerator(
        cpu=device.type == "cpu",
        mixed_precision="no" if precision == "fp32" else precision,
        kwargs_handlers=[DistributedDataParallelKwargs()],  # each part of a run says in it what it leaves unused
    )


def channels_last(module: Model) -> Model:
    """The module with its convolution weights in channels_last memory format."""
    move: Callable[..., Model] = module.to
    return move(memory_format=torch.channels_last)


def _cpu_has_fast_bf16() -> bool:
    """AMX (measured: 2.1 x float32 for a ViT) or AVX-512 BF16 (1.8 x); see benchmarks/teacher_precision.py."""
    probes = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(probe is not None and probe() for probe in probes)
