"""Devices and precisions, asked for by name and checked before work starts."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from disdepth_cli.config.parts import MachineOptions
from disdepth_cli.config.types import Precision
from disdepth_cli.errors import ConfigError
from disdepth_cli.machine.environment import own_environment
from disdepth_cli.machine.launch import launched, local_processes, local_rank
from disdepth_cli.machine.processes import ANSWER_WITHIN
from disdepth_cli.types import image_layout

if TYPE_CHECKING:  # training alone imports it
    from accelerate import Accelerator

Model = TypeVar("Model", bound=nn.Module)
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA, then MPS, then the CPU.

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        if _cuda()[0]:
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
        trouble = unused_gpu() if device.type == "cuda" else None
        why = f" ({trouble})" if trouble else ""
        raise ConfigError(f"--device {name}: there is no such device here{why}; use --device auto")
    return device


def unused_gpu() -> str | None:
    """Why a GPU of this machine is not used, in words; None where there is none, or where it can be used."""
    found, said = _cuda()
    if found or not (said or NVIDIA_DRIVER.exists()):
        return None
    if torch.version.cuda is None and torch.version.hip is None:
        return "a GPU is here, but this PyTorch was built without CUDA: install one with it"
    reason = " ".join((said or "PyTorch finds no device").split())[:300].rstrip(" .")
    return f"a GPU is here, but PyTorch cannot use it: {reason}"


def _cuda() -> tuple[bool, str | None]:
    """Whether CUDA can be used, and what PyTorch says about it: of a driver that is too old it only warns."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = torch.cuda.is_available()
    return found, None if found or not said else str(said[0].message)


def student_precision(precision: Precision, device: torch.device) -> Precision:
    """What `auto` means for a student: on CUDA bf16 where the GPU has it, else fp16; elsewhere fp32, since depth-wise
    backward in bf16 is slow on CPUs. CUDA is asked about its current device.

    Raises:
        ConfigError: fp16 without CUDA.
    """
    if precision == "auto":
        if device.type != "cuda":
            return "fp32"
        # Before compute capability 8.0 (T4, V100, RTX 20) bf16 is emulated, and slower than fp32.
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if precision == "fp16" and device.type != "cuda":
        raise ConfigError(f"--precision fp16: needs CUDA, not {device.type}; use bf16 or fp32")
    return precision


def teacher_precision(precision: Precision, device: torch.device) -> Precision:
    """What `auto` means for a frozen teacher: bf16 wherever it is fast, also on CPUs with bf16 units."""
    if precision == "auto" and device.type == "cpu" and _cpu_has_fast_bf16():
        return "bf16"
    return student_precision(precision, device)


def score_precision(precision: Precision, device: torch.device) -> Precision:
    """What `auto` means for what is scored: fp32, since a score is quoted beside those of others.

    Raises:
        ConfigError: fp16 without CUDA.
    """
    return "fp32" if precision == "auto" else student_precision(precision, device)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager:
    """The autocast context of a resolved precision; nothing for fp32."""
    if precision not in AUTOCAST:
        return nullcontext()
    return torch.autocast(device.type, AUTOCAST[precision])


def cast_weights(module: Model, precision: Precision) -> Model:
    """A frozen module whose matrices and convolutions have the weights that autocast would make of them at every call.

    Its outputs under `autocast` are the module's own, to the bit. The rest is shared with it: norms stay float32.
    """
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)  # not what derives from them: it may compute weights
    cast = {id(weight) for part in module.modules() if type(part) in kinds for weight in part.parameters(False)}
    kept: dict[int, Any] = {}
    with torch.inference_mode(False), torch.no_grad():  # training will use it, whoever was the first to ask
        for tensor in (*module.parameters(), *module.buffers()):
            ready = nn.Parameter(tensor.to(AUTOCAST[precision]), requires_grad=False) if id(tensor) in cast else tensor
            kept[id(tensor)] = ready
        return copy.deepcopy(module, kept)


@contextmanager
def exact(device: torch.device, precision: Precision) -> Iterator[None]:
    """As `autocast`, for what is scored: fp32 on CUDA is without TF32, which has three digits."""
    if device.type != "cuda" or precision in AUTOCAST:
        with autocast(device, precision):
            yield
        return
    backends: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = False
        yield
    finally:
        for backend, allowed in zip(backends, before, strict=True):
            backend.allow_tf32 = allowed


@own_environment()
def make_accelerator(machine: MachineOptions) -> Accelerator:
    """The accelerator of a training run. accelerate keeps global state; a second run in one process starts afresh.

    Raises:
        ConfigError: no such device or precision here, or a device that several processes cannot share.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

    device = set_device(machine.device)
    if AcceleratorState._shared_state and not torch.distributed.is_initialized():
        AcceleratorState._reset_state(reset_partial_state=True)
    precision = student_precision(machine.precision, device)
    return Accelerator(
        cpu=device.type == "cpu",
        mixed_precision="no" if precision == "fp32" else precision,
        # Each part of a run says in the first what it leaves unused.
        kwargs_handlers=[
            DistributedDataParallelKwargs(),
            InitProcessGroupKwargs(timeout=timedelta(seconds=ANSWER_WITHIN)),
        ],
    )


def set_device(name: str) -> torch.device:
    """The device of this process, made CUDA's current one: what is asked of CUDA is then asked of it.

    Raises:
        ConfigError: no such device here, or one that several processes cannot share.
    """
    device = pick_device(name)
    if launched()[1] > 1:
        _check_shared(device)
    if device.type != "cuda":
        return device
    device = torch.device("cuda", local_rank() if device.index is None else device.index)
    torch.cuda.set_device(device)
    return device


def _check_shared(device: torch.device) -> None:
    """Several processes were launched: each needs a device of its own.

    Raises:
        ConfigError: they name one device, or there are fewer.
    """
    if device.type == "mps" or device.index is not None:
        raise ConfigError(f"--device {device}: several processes were launched; name cpu, or cuda without a number")
    if device.type == "cuda" and local_processes() > torch.cuda.device_count():
        raise ConfigError(
            f"{local_processes()} processes were launched on this machine, which has {torch.cuda.device_count()} GPUs; "
            f"launch as many as it has GPUs: torchrun --nproc-per-node {torch.cuda.device_count()}"
        )


def channels_last(module: Model, device: torch.device | None = None) -> Model:
    """The module with its convolution weights in the memory format that its device is fast, and right, with.

    device: where it is moved; default: it stays where it is.
    """
    move: Callable[..., Model] = module.to
    if device is None:
        first = next(module.parameters(), None)
        return module if first is None else move(memory_format=image_layout(first.device))
    return move(device=device, memory_format=image_layout(device))


def device_words(device: torch.device) -> str:
    """A device for people: its name, and a GPU's memory."""
    if device.type == "cuda":
        own = torch.cuda.get_device_properties(device)
        return f"{device} ({own.name}, {own.total_memory / 2**30:.0f} GiB)"
    if device.type == "mps":
        return "mps (Apple GPU)"
    return f"{device} ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)


def _cpu_has_fast_bf16() -> bool:
    """AMX (measured: 2.1 x float32 for a ViT) or AVX-512 BF16 (1.8 x); see benchmarks/teacher_precision.py."""
    probes = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(probe is not None and probe() for probe in probes)
