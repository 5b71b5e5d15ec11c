"""The formats: what each can hold, what it needs, and how it is opened. No torch here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import get_args

from disdepth_cli.config.types import Dynamic, ExportFormat, ExportInput, ExportPrecision
from disdepth_cli.errors import ConfigError
from disdepth_cli.exporting.formats.session import Session, is_installed, tool, version_of
from disdepth_cli.observer import SILENT, Observer


@dataclass(frozen=True)
class Format:
    """suffix: of the file, or of the folder. session: the class in the format's module that runs it, None where nothing
    here can. packages: what run.py needs besides NumPy and OpenCV; writers: those that write it. keeps_order: its
    runtime multiplies and adds in the graph's order. file: the file's format, where a page is put around it."""

    suffix: str
    session: str | None
    packages: str
    precisions: tuple[ExportPrecision, ...] = ("fp32", "fp16")
    inputs: tuple[ExportInput, ...] = ("image", "tensor")
    dynamics: tuple[Dynamic, ...] = ("none",)
    writers: tuple[str, ...] = ()
    keeps_order: bool = False
    file: ExportFormat | None = None


FORMATS: dict[ExportFormat, Format] = {
    "onnx": Format(
        ".onnx", "OnnxSession", "onnxruntime", get_args(ExportPrecision), dynamics=get_args(Dynamic),
        writers=("onnx", "onnxscript"), keeps_order=True,
    ),
    "openvino": Format(
        "-openvino", "OpenVinoSession", "openvino", get_args(ExportPrecision), dynamics=get_args(Dynamic),
        writers=("openvino", "onnx", "onnxscript"),
    ),
    "torch": Format(".pt2", "TorchSession", "torch", dynamics=get_args(Dynamic), keeps_order=True),
    "litert": Format(
        ".tflite", "LiteRtSession", "ai-edge-litert", ("fp32", "int8"), writers=("litert-torch", "ai-edge-litert")
    ),
    "ncnn": Format("-ncnn", "NcnnSession", "ncnn", inputs=("tensor",), writers=("pnnx",)),
    "mnn": Format(".mnn", "MnnSession", "MNN", writers=("MNN", "onnx", "onnxscript")),
    "coreml": Format(".mlpackage", None, "", ("fp32",), writers=("coremltools",)),
}  # fmt: skip

FORMATS["web"] = replace(FORMATS["onnx"], inputs=("image",), dynamics=("none",), file="onnx")

MODULES = {"litert-torch": "litert_torch", "ai-edge-litert": "ai_edge_litert"}
"""Of packages whose modules are not named like them."""


def check_possible(name: ExportFormat, precision: ExportPrecision, given: ExportInput, dynamic: Dynamic) -> None:
    """Refuse what a format cannot hold.

    Raises:
        ConfigError: it cannot; the message says what it can.
    """
    kind = FORMATS[name]
    for option, asked, known in (
        ("precision", precision, kind.precisions),
        ("input", given, kind.inputs),
        ("dynamic", dynamic, kind.dynamics),
    ):
        if asked not in known:
            raise ConfigError(f"--{option} {asked}: --format {name} takes --{option} {' or '.join(known)} only")
    if dynamic == "all" and given == "image":
        raise ConfigError("--dynamic all: the sizes of whole images are constants of the graph; add --input tensor")


def require_tools(
    name: ExportFormat, precision: ExportPrecision, offline: bool = False, observer: Observer = SILENT
) -> Path | None:
    """Refuse a format whose tools are missing, before any work.

    Returns:
        For a page the tarball of its runtime, which npm fetches where it may; else None.

    Raises:
        MissingError: the message says the command that installs them.
    """
    for package in _tools(name, precision):
        tool(MODULES.get(package, package), f"--format {name}")
    if name != "web":
        return None
    from disdepth_cli.exporting.web_page import runtime_tarball  # predict opens files without it

    return runtime_tarball(offline, observer)


def missing_tools(name: ExportFormat) -> list[str]:
    """Packages that write a format and are not installed."""
    return [package for package in FORMATS[name].writers if not is_installed(MODULES.get(package, package))]


def tool_versions(name: ExportFormat, precision: ExportPrecision) -> dict[str, str]:
    """Package to version of what writes a format."""
    return {package: version_of(package) for package in _tools(name, precision)}


def _tools(name: ExportFormat, precision: ExportPrecision) -> tuple[str, ...]:
    quantiser = ("onnxruntime",) if precision == "int8" and "onnx" in FORMATS[name].writers else ()
    return FORMATS[name].writers + quantiser


def module_of(name: ExportFormat) -> ModuleType:
    """The module that writes and runs a format."""
    return import_module(f"disdepth_cli.exporting.formats.{name}_file")


def open_session(name: ExportFormat, path: Path, threads: int | None = None) -> Session | None:
    """A written file in its runtime; None where that is not to be had on this kind of machine.

    Raises:
        ExportError: the runtime is not installed, or cannot read the file.
    """
    session = FORMATS[name].session
    return None if session is None else getattr(module_of(name), session)(path, threads)
