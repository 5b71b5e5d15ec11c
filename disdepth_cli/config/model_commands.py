"""Options of evaluate, predict, export and push: what is done with a model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from disdepth_cli.config.base import BaseConfig, HubConfig
from disdepth_cli.config.types import (
    Align,
    Backend,
    Dynamic,
    ExportFormat,
    ExportInput,
    ExportPrecision,
    ImageSize,
    KeepFloat,
    Name,
    Names,
    Precision,
    WorstBy,
)


class EvaluateConfig(BaseConfig):
    """disdepth evaluate."""

    model: Name = Field(description="student (file, run, on the Hub, exported), `bundled`, acclimated run, or teacher")
    data: Name = Field(description="data.yaml, folder with rgb/ and depth/, folder of images, or shards")
    split: Literal["train", "val"] = Field("val", description="which list of the data")
    protocol: str | None = Field(None, description="nyu-eigen, kitti-eigen-garg, ...; default: the data's")
    align: Align | None = Field(None, description="alignment to the ground truth; default: the protocol's (none)")
    tta: bool | None = Field(None, description="average with the flipped image; default: the protocol's (off)")
    min_depth: float | None = Field(None, gt=0, description="smallest ground truth counted [m]")
    max_depth: float | None = Field(None, gt=0, description="largest ground truth counted [m]")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:0 or mps")
    precision: Precision = Field("auto", description="auto is fp32 on a CPU, bf16 on CUDA")
    backend: Backend | None = Field(
        None,
        description="what runs a student: torch, onnx, openvino, or auto, the fastest that is installed; default: "
        "torch, for an exported file its own",
    )
    workers: int = Field(2, ge=0, description="threads that decode images, and as many that compute metrics")
    revision: str | None = Field(None, description="commit, tag or branch of a model on the Hub")
    offline: bool = Field(False, description="never ask the network")
    baselines: bool = Field(
        True, description="score the best constant depth, the mean training depth and the teacher beside the model"
    )
    teacher: Name | None = Field(
        None, description="teacher to score beside the model; default: the one that it learned from, if it is here"
    )
    score_teacher: bool = Field(True, description="off: leave out the teacher, which takes longer than a student")
    mean_map_images: int = Field(200, ge=0, description="training depth maps that make the mean one; 0: all of them")
    per_image: Path | None = Field(None, description="also write one CSV row per image here")
    worst: int = Field(0, ge=0, description="draw this many of the worst images with their errors; needs -o")
    worst_by: WorstBy = Field("abs_rel", description="metric by which images are worst")
    output: Path | None = Field(None, description="folder for the pictures of --worst")


class PredictConfig(BaseConfig):
    """disdepth predict."""

    sources: list[str] = Field(min_length=1, description="images, folders of images, or patterns")
    checkpoint: Path | None = Field(
        None,
        description="student checkpoint, run folder, exported file, or OWNER/NAME on the Hub; default: `bundled`",
    )
    revision: str | None = Field(None, description="commit, tag or branch of a student on the Hub")
    output: Path = Field(Path("predictions"), description="folder for the results")
    save_numpy: bool = Field(False, description="also write float32 metres as .npy")
    colormap: str = Field("Spectral_r", description="Matplotlib colour map of the picture")
    grayscale: bool = Field(False, description="grey picture instead of a colour map")
    pred_only: bool = Field(False, description="picture of the depth alone, without the image beside it")
    backend: Backend = Field(
        "auto", description="what runs the student: torch, onnx or openvino; auto is the fastest that is installed"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:0 or mps")
    precision: Precision = Field("auto", description="auto is fp32 on a CPU, bf16 on CUDA")
    offline: bool = Field(False, description="never ask the network; only a student on the Hub would need it")


class ExportConfig(BaseConfig):
    """disdepth export."""

    model: Name = Field(description="student: a file, a run of distill, `bundled`, or OWNER/NAME on the Hub")
    format: ExportFormat = Field(
        "onnx", description="onnx, openvino, torch (.pt2), litert (.tflite), ncnn, mnn or coreml (.mlpackage)"
    )
    precision: ExportPrecision = Field("fp32", description="fp32, fp16 or int8, which wants calibration images")
    source: ImageSize = Field((480, 640), description="size HxW of the images that the program will give")
    input: ExportInput = Field(
        "image",
        description="image: uint8 RGB of that size in, depth of that size out, all resizing inside; tensor: the bare "
        "network at its working size",
    )
    dynamic: Dynamic = Field(
        "none", description="which sides are free: none, batch, or all (tensor only: you resize as the model wants it)"
    )
    calibration: Name | None = Field(
        None, description="DATA whose images int8 is fitted to, and checked on; depth is not needed"
    )
    keep_float: KeepFloat = Field(
        "head", description="what int8 leaves in float: head, or early: stem and first blocks too"
    )
    check: bool = Field(True, description="run the written file on real images and compare its depth with predict's")
    revision: str | None = Field(None, description="commit, tag or branch of a student on the Hub")
    offline: bool = Field(False, description="never ask the network; only a student on the Hub would need it")
    output: Path | None = Field(None, description="folder for the files; default: exports/NAME-FORMAT")


class BenchmarkConfig(BaseConfig):
    """disdepth benchmark."""

    models: list[Name] = Field(
        default_factory=list, description="students (checkpoint, run, `bundled`, on the Hub), exported files, teachers"
    )
    students: Names | None = Field(
        None, description="student names, separated by commas: what they would cost here, before any training"
    )
    input_size: ImageSize | None = Field(
        None, description="size HxW of the image; of --students the working size; default: 480x640, there 240x320"
    )
    backend: list[Literal["torch", "onnx", "openvino"]] = Field(
        default_factory=list,
        description="runtime to time models in; may be repeated; default: all that are here",
    )
    data: Name | None = Field(None, description="DATA with depth: also score every row on its val images")
    teacher: Name | None = Field(None, description="teacher to time beside; default: the students' own, if it is here")
    time_teacher: bool = Field(True, description="off: leave out the teacher, which takes longer than a student")
    threads: int = Field(1, ge=1, description="threads of each model")
    runs: int = Field(30, ge=1, description="times that each model predicts, in turns")
    revision: str | None = Field(None, description="commit, tag or branch of a student on the Hub")
    offline: bool = Field(False, description="never ask the network; only a student on the Hub would need it")


class PushConfig(HubConfig):
    """disdepth push."""

    source: Path = Field(description="run of distill, or a student.safetensors")
    to: str = Field(description="OWNER/NAME on the Hub")
    revision: str | None = Field(None, description="branch to push to, made if need be; default: main")
    data_name: str | None = Field(None, description="the data's name on the card; default: its folder's or file's name")
    control: Path | None = Field(None, description="run of the control (distill --no-distill), for the card's figures")
    picture: list[Path] = Field(default_factory=list, description="image for the card's picture; may be repeated")
    picture_from_data: bool = Field(
        False, description="make the card's picture from the run's val images; only if you may publish them"
    )
    dry_run: bool = Field(False, description="write the files that would be sent into RUN/hub; needs no network")
    output: Path | None = Field(None, description="folder for --dry-run's files instead of RUN/hub")
    offline: bool = Field(False, description="never ask the network; goes with --dry-run only")
