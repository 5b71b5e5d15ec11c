"""Options of evaluate, predict, push, compare, list and convert-teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationInfo, field_validator

from disdepth_cli.config import option as o
from disdepth_cli.config.base import BaseConfig
from disdepth_cli.config.option import option
from disdepth_cli.config.parts import DATA_HELP, DEVICE_HELP, HubPage
from disdepth_cli.config.types import (
    PROTOCOL_NAMES,
    AbsolutePath,
    Align,
    Backend,
    ColourRange,
    DepthFormat,
    DepthFormats,
    Metric,
    ModelName,
    Name,
    Names,
    Precision,
    Size,
    Workers,
)

MODEL_HELP = "student (file, run, OWNER/NAME on the Hub, exported file), `bundled`, acclimated run, or teacher"
PRECISION_HELP = "auto: bf16 on CUDA (fp16 on GPUs without bf16), else fp32"
BESIDE, PER_IMAGE, CARD, PICTURE = "Baselines", "Per image", "Model card", "Picture"
VIDEO, SPACE = "Video", "Points in space"


class EvaluateConfig(BaseConfig):
    """disdepth evaluate."""

    model: ModelName = option(..., MODEL_HELP, level="basic", group=o.DATA)
    data: Name = option(..., DATA_HELP, level="basic", group=o.DATA)
    split: Literal["train", "val"] = option("val", "which images of the data", level="basic", group=o.DATA)
    protocol: str | None = option(
        None,
        f"rules of the evaluation; default: the data's; one of {', '.join(PROTOCOL_NAMES)}",
        level="basic",
        group=o.DATA,
    )
    align: Align | None = option(
        None, "alignment to the ground truth; default: the protocol's (none)", level="basic", group=o.DATA
    )
    tta: bool | None = option(
        None,
        "average the depth of the image and of the flipped image; default: the protocol's (off)",
        level="basic",
        group=o.DATA,
        off="--no-tta",
    )
    min_depth: float | None = option(None, "smallest ground truth that counts [m]", group=o.DATA, gt=0)
    max_depth: float | None = option(None, "largest ground truth that counts [m]", group=o.DATA, gt=0)
    baselines: bool = option(
        True,
        "also score the best constant depth, the mean training depth and the teacher",
        group=BESIDE,
        off="--no-baselines",
    )
    teacher: Name | None = option(
        None,
        "teacher that is scored beside the model; default: the teacher of the student, if it is on this machine",
        group=BESIDE,
        flags=("-t",),
    )
    score_teacher: bool = option(
        True, "off: do not score the teacher, which takes longer than the student", group=BESIDE, off="--no-teacher"
    )
    mean_map_images: int = option(200, "number of training depth maps in the mean map; 0: all", group=BESIDE, ge=0)
    per_image: Path | None = option(None, "CSV file for the scores of each image", level="basic", group=PER_IMAGE)
    worst: int = option(
        0, "number of the worst images that are drawn with their errors; needs -o", level="basic", group=PER_IMAGE, ge=0
    )
    worst_by: Metric = option("abs_rel", "metric that finds the worst images", group=PER_IMAGE)
    output: Path | None = option(
        None, "folder for report.html and the pictures of --worst", level="basic", group=PER_IMAGE, flags=("-o",)
    )
    device: str = option("auto", DEVICE_HELP, level="basic", concerns="machine", group=o.MACHINE)
    precision: Precision = option("auto", "auto: fp32 without TF32", group=o.MACHINE)
    backend: Backend | None = option(
        None,
        "runtime of a student; auto: the fastest that is installed; default: torch, or the runtime of an exported file",
        group=o.MACHINE,
    )
    workers: Workers = option(
        None,
        "number of threads that decode images, and of threads that compute metrics; auto (default): by cores",
        concerns="machine",
        group=o.MACHINE,
        ge=0,
    )
    revision: str | None = option(None, "commit, tag or branch of a model on the Hub", group=o.HUB)
    offline: bool = option(False, "never use the network", level="basic", concerns="machine", group=o.MACHINE)


class PredictConfig(BaseConfig):
    """disdepth predict."""

    camera: int | None = option(
        None, "record the camera of that number until Ctrl-C", level="basic", group=o.DATA, ge=0
    )
    sources: Names = option(
        default_factory=list,
        description="images, videos, folders (with all images below them), patterns, http(s) addresses of images, or - "
        "for one image on stdin",
        level="basic",
        group=o.DATA,
    )
    model: Name = option(
        "bundled", MODEL_HELP, level="basic", group=o.DATA, flags=("-m", "-c"), renamed=("checkpoint",)
    )
    output: Path | None = option(
        Path("predictions"),
        "folder for the results; -: the 16-bit PNG of one image goes to stdout",
        level="basic",
        group=o.DATA,
        flags=("-o",),
    )
    save_numpy: bool = option(False, "as --save npy", group=o.DATA)
    save: DepthFormats = option(
        default_factory=list,
        description="files beside the 16-bit PNG, separated by commas: npy, npz, exr (float32 numbers), ply (coloured "
        "points), glb (surface); of a video one for each frame",
        level="basic",
        group=o.DATA,
    )
    smooth: bool = option(False, "smooth the depth of a video over time", level="basic", group=VIDEO)
    fov: float | None = option(
        None, "field of view across the image's width [degrees]", level="basic", group=SPACE, gt=0, lt=180
    )
    focal: float | None = option(None, "focal length [pixels of the image]", group=SPACE, gt=0)
    intrinsics: Path | None = option(
        None, "file with fx, fy, cx, cy: JSON, YAML, 3x3 text; default: EXIF data", group=SPACE
    )
    colormap: str = option(
        "Spectral_r",
        "colour map of the picture: Spectral_r, inferno, turbo, gray; where Matplotlib is installed, any of its",
        level="basic",
        group=PICTURE,
    )
    range: ColourRange = option(
        None,
        "MIN-MAX that the colours span, in metres where the model has them; shared: one range for all images; default: "
        "each image's own",
        level="basic",
        group=PICTURE,
    )
    grayscale: bool = option(False, "grey picture instead of a colour map", group=PICTURE)
    pred_only: bool = option(
        False, "picture of the depth alone, without the image beside it and the bar", level="basic", group=PICTURE
    )
    device: str = option("auto", DEVICE_HELP, level="basic", concerns="machine", group=o.MACHINE)
    precision: Precision = option("auto", PRECISION_HELP, group=o.MACHINE)
    backend: Backend = option("auto", "runtime of a student; auto: the fastest that is installed", group=o.MACHINE)
    revision: str | None = option(None, "commit, tag or branch of a model on the Hub", group=o.HUB)
    offline: bool = option(
        False,
        "never use the network; only a model on the Hub, or an address, needs it",
        concerns="machine",
        group=o.MACHINE,
    )

    def formats(self) -> list[DepthFormat]:
        """The files beside the PNG, each once."""
        also: list[DepthFormat] = ["npy"] if self.save_numpy else []
        return list(dict.fromkeys([*also, *(name for name in self.save if name != "png")]))

    def shown_colormap(self) -> str:
        """The colour map of the picture."""
        return "gray" if self.grayscale else self.colormap

    def to_stdout(self) -> bool:
        """Whether the depth goes to standard output."""
        return self.output == Path("-")

    @field_validator("sources", mode="after")
    @classmethod
    def _something_to_predict(cls, sources: list[str], info: ValidationInfo) -> list[str]:
        if not sources and info.data.get("camera") is None:
            raise ValueError("is missing; give images, folders of images, videos, or --camera 0")
        return sources

    @field_validator("fov", "focal", "intrinsics", mode="after")
    @classmethod
    def _for_points(cls, value: Any, info: ValidationInfo) -> Any:
        """One of the three, and for points alone."""
        if value is not None and not {"ply", "glb"} & set(info.data.get("save", ())):
            raise ValueError("is for points: add --save ply or --save glb")
        if value is not None and any(info.data.get(other) is not None for other in ("fov", "focal", "intrinsics")):
            raise ValueError("fov, focal and intrinsics say the same: give one of them")
        return value


class PushConfig(HubPage, BaseConfig):
    """disdepth push."""

    model: Path = option(
        ..., "run of distill, or a student.safetensors", level="basic", group=o.DATA, renamed=("source",)
    )
    to: str = option(..., "OWNER/NAME on the Hub", level="basic", group=o.HUB)
    revision: str | None = option(
        None, "branch that gets the push, made where it is missing; default: main", group=o.HUB
    )
    dry_run: bool = option(
        False,
        "write the files of the push into RUN/hub and send nothing; needs no network",
        level="basic",
        concerns="machine",
        group=o.HUB,
    )
    output: Path | None = option(
        None, "folder for the files of --dry-run; default: RUN/hub", level="basic", group=o.HUB, flags=("-o",)
    )
    data_name: str | None = option(
        None, "name of the data on the card; default: the name of its folder or file", group=CARD
    )
    control: Path | None = option(
        None, "run of the control (distill --no-distill) whose figures stand on the card", level="basic", group=CARD
    )
    picture: list[Path] = option(
        default_factory=list,
        description="image for the card's picture; may be repeated",
        level="basic",
        group=CARD,
    )
    picture_from_data: bool = option(
        False, "show the run's val images on the card; only if you may publish them", group=CARD
    )
    offline: bool = option(False, "never use the network; needs --dry-run", concerns="machine", group=o.MACHINE)


class CompareConfig(BaseConfig):
    """disdepth compare."""

    runs: list[Path] = option(..., "run folders of distill or acclimate", level="basic", group=o.DATA, min_length=1)
    format: Literal["table", "markdown", "csv"] = option(
        "table", "how the table is printed", level="basic", group=o.DATA
    )


class ListConfig(BaseConfig):
    """disdepth list."""

    what: Literal["students", "teachers", "protocols", "formats"] = option(
        ..., "what to list", level="basic", group=o.DATA
    )
    latency: bool = option(
        False,
        "also time the students here, in PyTorch on the CPU; benchmark times other runtimes",
        level="basic",
        group=o.MACHINE,
    )
    input_size: Size = option((240, 320), "working size HxW of the students", level="basic", group=o.STUDENT)


class ConvertTeacherConfig(BaseConfig):
    """disdepth convert-teacher."""

    file: AbsolutePath = option(
        ..., "checkpoint of the original repository: pth, pt, bin, ckpt or safetensors", level="basic", group=o.TEACHER
    )
    like: Name = option(
        ...,
        "model of transformers with the same network: a Hub id such as OWNER/NAME-Small-hf, or a folder",
        level="basic",
        group=o.TEACHER,
    )
    max_depth: int | None = option(
        None, "largest depth [m] of the training, for metric weights", level="basic", group=o.TEACHER, gt=0
    )
    output: AbsolutePath | None = option(
        None, "folder for the teacher; default: FILE-teacher", level="basic", group=o.TEACHER, flags=("-o",)
    )
    revision: str | None = option(None, "commit, tag or branch of --like on the Hub", group=o.HUB)
    offline: bool = option(False, "never use the network", concerns="machine", group=o.MACHINE)
