"""Options of evaluate, predict and push: what is done with a model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from disdepth_cli.config import option as o
from disdepth_cli.config.base import BaseConfig
from disdepth_cli.config.option import option
from disdepth_cli.config.parts import DATA_HELP, DEVICE_HELP, HubPage
from disdepth_cli.config.types import (
    PROTOCOL_NAMES,
    AbsolutePath,
    Align,
    ModelName,
    Name,
    Names,
    Precision,
    Workers,
    WorstBy,
)

MODEL_HELP = "student (file, run, OWNER/NAME on the Hub), `bundled`, acclimated run, or teacher"
PRECISION_HELP = "auto: fp32 on a CPU, bf16 on CUDA"
BESIDE, PER_IMAGE, CARD, PICTURE = "Baselines", "Per image", "Model card", "Picture"


class EvaluateConfig(BaseConfig):
    """disdepth evaluate."""

    model: ModelName = option(..., MODEL_HELP, level="basic", group=o.DATA)
    data: Name = option(..., DATA_HELP, level="basic", group=o.DATA)
    split: Literal["train", "val"] = option("val", "which images of the data", level="basic", group=o.DATA)
    protocol: str | None = option(
        None,
        f"default: the data's; one of {', '.join(PROTOCOL_NAMES)}",
        level="basic",
        group=o.DATA,
    )
    align: Align | None = option(
        None, "alignment to the ground truth; default: the protocol's (none)", level="basic", group=o.DATA
    )
    tta: bool | None = option(
        None,
        "average with the flipped image; default: the protocol's (off)",
        level="basic",
        group=o.DATA,
        off="--no-tta",
    )
    min_depth: float | None = option(None, "smallest ground truth counted [m]", group=o.DATA, gt=0)
    max_depth: float | None = option(None, "largest ground truth counted [m]", group=o.DATA, gt=0)
    baselines: bool = option(
        True,
        "score the best constant depth, the mean training depth and the teacher beside the model",
        group=BESIDE,
        off="--no-baselines",
    )
    teacher: Name | None = option(
        None,
        "teacher to score beside the model; default: the one that it learned from, if it is here",
        group=BESIDE,
        flags=("-t",),
    )
    score_teacher: bool = option(
        True, "off: leave out the teacher, which takes longer than a student", group=BESIDE, off="--no-teacher"
    )
    mean_map_images: int = option(200, "training depth maps that make the mean one; 0: all of them", group=BESIDE, ge=0)
    per_image: Path | None = option(None, "also write one CSV row per image here", level="basic", group=PER_IMAGE)
    worst: int = option(
        0, "draw this many of the worst images with their errors; needs -o", level="basic", group=PER_IMAGE, ge=0
    )
    worst_by: WorstBy = option("abs_rel", "metric by which images are worst", group=PER_IMAGE)
    output: Path | None = option(
        None, "folder for the pictures of --worst", level="basic", group=PER_IMAGE, flags=("-o",)
    )
    device: str = option("auto", DEVICE_HELP, level="basic", concerns="machine", group=o.MACHINE)
    precision: Precision = option("auto", "auto: fp32 without TF32, what a quoted score is made in", group=o.MACHINE)
    workers: Workers = option(
        None,
        "threads that decode images, and as many that compute metrics; auto (default): by cores",
        concerns="machine",
        group=o.MACHINE,
        ge=0,
    )
    revision: str | None = option(None, "commit, tag or branch of a model on the Hub", group=o.HUB)
    offline: bool = option(False, "never ask the network", level="basic", concerns="machine", group=o.MACHINE)


class PredictConfig(BaseConfig):
    """disdepth predict."""

    sources: Names = option(..., "images, folders of images, or patterns", level="basic", group=o.DATA, min_length=1)
    model: Name = option(
        "bundled", MODEL_HELP, level="basic", group=o.DATA, flags=("-m", "-c"), renamed=("checkpoint",)
    )
    output: Path | None = option(
        Path("predictions"), "folder for the results", level="basic", group=o.DATA, flags=("-o",)
    )
    save_numpy: bool = option(False, "also write the float32 numbers (metres) as .npy", level="basic", group=o.DATA)
    colormap: str = option(
        "Spectral_r",
        "colour map of the picture: Spectral_r, inferno, turbo, or any of Matplotlib's",
        level="basic",
        group=PICTURE,
    )
    grayscale: bool = option(False, "grey picture instead of a colour map", group=PICTURE)
    pred_only: bool = option(
        False, "picture of the depth alone, without the image beside it", level="basic", group=PICTURE
    )
    device: str = option("auto", DEVICE_HELP, level="basic", concerns="machine", group=o.MACHINE)
    precision: Precision = option("auto", PRECISION_HELP, group=o.MACHINE)
    revision: str | None = option(None, "commit, tag or branch of a model on the Hub", group=o.HUB)
    offline: bool = option(
        False, "never ask the network; only a model on the Hub needs it", concerns="machine", group=o.MACHINE
    )


class PushConfig(HubPage, BaseConfig):
    """disdepth push."""

    model: Path = option(
        ..., "run of distill, or a student.safetensors", level="basic", group=o.DATA, renamed=("source",)
    )
    to: str = option(..., "OWNER/NAME on the Hub", level="basic", group=o.HUB)
    revision: str | None = option(None, "branch to push to, made if need be; default: main", group=o.HUB)
    dry_run: bool = option(
        False,
        "write the files that would be sent into RUN/hub; needs no network",
        level="basic",
        concerns="machine",
        group=o.HUB,
    )
    output: Path | None = option(
        None, "folder for --dry-run's files instead of RUN/hub", level="basic", group=o.HUB, flags=("-o",)
    )
    data_name: str | None = option(
        None, "the data's name on the card; default: its folder's or file's name", group=CARD
    )
    control: Path | None = option(
        None, "run of the control (distill --no-distill), for the card's figures", level="basic", group=CARD
    )
    picture: list[Path] = option(
        default_factory=list,
        description="image for the card's picture; may be repeated",
        level="basic",
        group=CARD,
    )
    picture_from_data: bool = option(
        False, "make the card's picture from the run's val images; only if you may publish them", group=CARD
    )
    offline: bool = option(
        False, "never ask the network; goes with --dry-run only", concerns="machine", group=o.MACHINE
    )


class CompareConfig(BaseConfig):
    """disdepth compare."""

    runs: list[Path] = option(..., "run folders of distill or acclimate", level="basic", group=o.DATA, min_length=1)
    format: Literal["table", "markdown", "csv"] = option(
        "table", "how the table is printed", level="basic", group=o.DATA
    )


class ConvertTeacherConfig(BaseConfig):
    """disdepth convert-teacher."""

    file: AbsolutePath = option(
        ..., "checkpoint of the original repository: pth, pt, bin, ckpt or safetensors", level="basic", group=o.TEACHER
    )
    like: Name = option(
        ...,
        "the model in transformers that it is, Hub id or folder, as OWNER/NAME-Small-hf",
        level="basic",
        group=o.TEACHER,
    )
    max_depth: int | None = option(
        None, "largest depth [m] it was trained with, for metric weights", level="basic", group=o.TEACHER, gt=0
    )
    output: AbsolutePath | None = option(
        None, "folder for the teacher; default: FILE-teacher", level="basic", group=o.TEACHER, flags=("-o",)
    )
    revision: str | None = option(None, "commit, tag or branch of --like on the Hub", group=o.HUB)
    offline: bool = option(False, "never ask the network", concerns="machine", group=o.MACHINE)
