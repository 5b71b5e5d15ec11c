"""Options of export and benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from disdepth_cli.config import option as o
from disdepth_cli.config.base import BaseConfig
from disdepth_cli.config.option import option
from disdepth_cli.config.types import (
    Dynamic,
    ExportFormat,
    ExportInput,
    ExportPrecision,
    ImageSize,
    KeepFloat,
    Name,
    NameList,
)

FILE, INT8 = "File", "int8"
STUDENT_HELP = "student: file, run of distill, `bundled`, or OWNER/NAME on the Hub"


class ExportConfig(BaseConfig):
    """disdepth export."""

    model: Name = option(..., STUDENT_HELP, level="basic", group=o.DATA)
    output: Path | None = option(
        None, "folder for the files; default: exports/NAME-FORMAT", level="basic", group=o.DATA, flags=("-o",)
    )
    format: ExportFormat = option(
        "onnx",
        "format of the file: torch is a .pt2, litert a .tflite, coreml a .mlpackage. web is a page that runs the "
        "student in the browser",
        level="basic",
        group=FILE,
        flags=("-f",),
    )
    precision: ExportPrecision = option(
        "fp32", "number format of the file; int8 needs --calibration", level="basic", group=FILE
    )
    source: ImageSize = option(
        (480, 640), "size HxW of the images that the program will give", level="basic", group=FILE
    )
    input: ExportInput = option(
        "image",
        "image: uint8 RGB of --source in, depth of that size out, all resizing inside. tensor: the network alone, "
        "float32 RGB of its working size, padded to multiples of 32",
        level="basic",
        group=FILE,
    )
    dynamic: Dynamic = option(
        "none",
        "sides of the input that may vary: none, batch, or all (tensor only: your program resizes)",
        group=FILE,
    )
    check: bool = option(
        True, "run the file on real images and compare its depth with that of predict", group=FILE, off="--no-check"
    )
    calibration: Name | None = option(
        None, "DATA whose images calibrate int8 and check it; depth is not needed", level="basic", group=INT8
    )
    keep_float: KeepFloat = option(
        "head", "layers that int8 leaves in float: head, or early: also the stem and the first blocks", group=INT8
    )
    revision: str | None = option(None, "commit, tag or branch of a student on the Hub", group=o.HUB)
    offline: bool = option(
        False,
        "never use the network; only a student on the Hub and --format web need it",
        concerns="machine",
        group=o.MACHINE,
    )


class BenchmarkConfig(BaseConfig):
    """disdepth benchmark."""

    models: list[Name] = option(
        default_factory=list,
        description="students (file, run, `bundled`, OWNER/NAME on the Hub), exported files, teachers",
        level="basic",
        group=o.DATA,
    )
    students: NameList | None = option(
        None,
        "names of students, separated by commas: their parameters, FLOPs and times here, before any training",
        level="basic",
        group=o.DATA,
    )
    input_size: ImageSize | None = option(
        None,
        "size HxW of the image, default 480x640; with --students their working size, default 240x320",
        level="basic",
        group=o.DATA,
    )
    data: Name | None = option(
        None, "DATA with depth: also score every model on its val images", level="basic", group=o.DATA
    )
    backend: list[Literal["torch", "onnx", "openvino"]] = option(
        default_factory=list,
        description="runtime of the students; may be repeated; default: all that are installed",
        level="basic",
        group=o.MACHINE,
    )
    threads: int = option(1, "threads of each model", level="basic", concerns="machine", group=o.MACHINE, ge=1)
    runs: int = option(30, "times that each model predicts; the models take turns", group=o.MACHINE, ge=1)
    teacher: Name | None = option(
        None,
        "teacher to time beside the students; default: their own, if it is on this machine",
        level="basic",
        group=o.TEACHER,
        flags=("-t",),
    )
    time_teacher: bool = option(
        True, "off: do not time the teacher, which takes longer than a student", group=o.TEACHER, off="--no-teacher"
    )
    revision: str | None = option(None, "commit, tag or branch of a student on the Hub", group=o.HUB)
    offline: bool = option(False, "never use the network", concerns="machine", group=o.MACHINE)
