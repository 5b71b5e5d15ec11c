"""The parts of a training configuration: data, student, teacher, loop, comparison, page on the Hub, machine, run."""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.config import option as o
from disdepth_cli.config.base import Part
from disdepth_cli.config.option import option
from disdepth_cli.config.types import (
    AbsolutePath,
    DataLocation,
    Keep,
    LGConvOn,
    NameOrNothing,
    Precision,
    Size,
    Workers,
)

STUDENTS = {
    "mobilenetv2": "mobilenetv2_100",
    "mobilenetv3": "mobilenetv3_large_100",
    "efficientnet-lite0": "tf_efficientnet_lite0",
    "efficientnet-b0": "efficientnet_b0",
    "resnet18": "resnet18",
    "ghostnet": "ghostnet_100",
}
"""Short student names and the timm models they stand for."""

DATA_HELP = "data.yaml, a folder with rgb/ (or images/) and depth/, a folder of images, or shards"
DEVICE_HELP = "auto, cpu, cuda, cuda:N or mps"


class AugmentConfig(Part):
    """Training views. Each is a function of (seed, epoch, index) alone, the same for teacher and student."""

    views: int | None = option(
        None,
        "number of different views of an image; later epochs see them again; default: every epoch has its own",
        ge=1,
    )
    seed: int | None = option(
        None, "seed of the views alone; default: the run's seed", level="recipe", called="view_seed", ge=0
    )
    crop_size: Size | None = option(
        None, "training crop HxW; default: the working size less the protocol's border, to 32s", level="recipe"
    )
    flip: float = option(0.5, "probability of a horizontal flip", level="recipe", flag=False, ge=0, le=1)
    scale: float = option(
        1.15,
        "zoom in or out by up to this; depth is divided by the zoom, the focal length stays",
        level="recipe",
        flag=False,
        ge=1,
        le=4,
    )
    colour_probability: float = option(0.5, "probability of each colour change", level="recipe", flag=False, ge=0, le=1)
    gamma: tuple[float, float] = option((0.9, 1.1), "range of the gamma exponent", level="recipe", flag=False)
    brightness: tuple[float, float] = option((0.75, 1.25), "range of the brightness factor", level="recipe", flag=False)
    colour: tuple[float, float] = option((0.9, 1.1), "range of each channel's factor", level="recipe", flag=False)
    frame: float | None = option(
        None,
        "probability of a painted frame over the student's view, as scans and letterboxed images have; default: 0.5 "
        "where the protocol's border crop cuts one away (NYU), 0 elsewhere",
        level="recipe",
        flag=False,
        ge=0,
        le=1,
    )


class DataOptions(Part):
    """The images, their depth, and the views that training sees of them."""

    location: DataLocation = option(..., DATA_HELP, level="basic", group=o.DATA, called="data", local=True, free=True)
    max_depth: float | None = option(None, "largest depth [m]; default: the data's", group=o.STUDENT, gt=0)
    min_depth: float | None = option(None, "smallest depth [m]; default: the data's", group=o.STUDENT, gt=0)
    augment: AugmentConfig = option(default_factory=AugmentConfig, description="training views")


class StudentOptions(Part):
    """The student that is built: backbone, LG-Conv, decoder, heads."""

    backbone: str = option(
        "mobilenetv2",
        "timm CNN, or a short name: " + ", ".join(STUDENTS),
        level="basic",
        group=o.STUDENT,
        called="student",
        flags=("-s",),
    )
    weights: AbsolutePath | None = option(
        None,
        "backbone weights of that timm model, safetensors",
        level="basic",
        group=o.STUDENT,
        called="student_weights",
        local=True,
    )
    pretrained: bool = option(
        True,
        "start from timm's weights on the Hub; off: random start",
        level="basic",
        group=o.STUDENT,
        off="--no-pretrained",
    )
    lg_conv: LGConvOn = option(
        "none",
        "which backbone convolutions get the LG-Conv branch; auto: depth-wise ones in depth-wise backbones, dense ones "
        "in the others",
        level="recipe",
        group=o.STUDENT,
    )
    decoder_channels: int = option(64, "channels of the decoder", group=o.STUDENT, ge=8, le=1024)
    bins: int = option(64, "number of depth bins", group=o.STUDENT, ge=2, le=1024)
    input_size: Size = option((240, 320), "working size HxW, kept in the checkpoint", level="basic", group=o.STUDENT)


class TeacherOptions(Part):
    """Which teacher, and where its outputs are kept."""

    revision: str | None = option(
        None, "commit, tag or branch of the teacher on the Hub", concerns="teacher", group=o.TEACHER
    )
    weights: AbsolutePath | None = option(
        None,
        "weights of a timm:NAME teacher, safetensors",
        concerns="teacher",
        group=o.TEACHER,
        called="teacher_weights",
        local=True,
    )
    cache: AbsolutePath | None = option(
        None,
        "folder that keeps a frozen teacher's outputs for each training view; this run and others replay them; 1.3 MB "
        "a view of 224x288 with a ViT-S, and the run says how much",
        concerns="teacher",
        group=o.TEACHER,
        called="teacher_cache",
        local=True,
    )


class LoopOptions(Part):
    """One optimisation run."""

    epochs: int = option(10, "passes over the training images", level="basic", inherited=False, ge=1)
    max_steps: int | None = option(None, "stop the schedule after this many steps instead", inherited=False, ge=1)
    batch_size: int = option(8, "images a step and process", level="basic", ge=1)
    accumulate: int = option(1, "batches per optimiser step", ge=1)
    lr: float = option(1e-3, "peak learning rate of the decoder and all new parts", gt=0)
    backbone_lr: float | None = option(
        None, "peak rate of the backbone; default: 0.3 lr pretrained, lr at random start", gt=0
    )
    weight_decay: float = option(0.05, "AdamW weight decay", ge=0)
    clip: float = option(1.0, "largest gradient norm", gt=0)
    ema: float = option(0.998, "decay of the averaged weights, warmed up; 0: off", ge=0, lt=1)
    seed: int = option(0, "seed of initialisation, order and augmentation", ge=0)
    validate_every: int = option(1, "epochs between validations; the last step is always validated", ge=1)
    save_every: float = option(
        90.0,
        "seconds between saves of the resume state; each validation saves it too; 0: every step",
        concerns="machine",
        ge=0,
    )
    max_corrupt: int = option(10, "unreadable training files that are skipped before giving up", free=True, ge=0)
    max_nonfinite: int = option(
        5, "steps in a row with a non-finite loss before giving up", level="recipe", flag=False, ge=1
    )


class CompareOptions(Part):
    """What a run is compared with, and what follows from it."""

    control: bool = option(
        False,
        "also train the control, into RUN-control, and report what distillation has gained",
        level="basic",
        concerns="comparison",
        group=o.COMPARISON,
        off="--no-control",
        free=True,
    )
    keep: Keep = option(
        "auto",
        "which of the two a run with a control hands out as student.safetensors, by the val RMSE of both. auto: the "
        "distilled one, unless it is worse beyond chance; better: the one with the lower RMSE; distilled: never the "
        "control",
        concerns="comparison",
        group=o.COMPARISON,
        free=True,
    )
    sweep: bool = option(
        False,
        "first try a few loss weights in short runs, in RUN-sweep; the best by val RMSE is taken",
        concerns="comparison",
        group=o.COMPARISON,
        off="--no-sweep",
    )
    sweep_steps: int | None = option(
        None,
        "steps of each of those; default: a quarter of the run's, at least 50",
        concerns="comparison",
        group=o.COMPARISON,
        ge=1,
    )


class HubPage(Part):
    """What a student's page on the Hub says and who sees it."""

    private: bool = option(
        False,
        "a new repository is private; one that exists stays as it is",
        concerns="hub",
        group=o.HUB,
    )
    licence: str | None = option(
        None,
        "licence of the student, as apache-2.0; default: the teacher's if restrictive, else unknown",
        concerns="hub",
        group=o.HUB,
        flags=("--license",),
    )


class HubOptions(HubPage):
    """Whether the finished student is pushed, and its page."""

    push_to_hub: NameOrNothing = option(
        None, "OWNER/NAME on the Hub that gets the finished student; '' for none", concerns="hub", group=o.HUB
    )


class MachineOptions(Part):
    """Where the work is done."""

    device: str = option("auto", DEVICE_HELP, level="basic", concerns="machine", group=o.MACHINE)
    precision: Precision = option(
        "auto", "auto: bf16 on CUDA; on a CPU fp32, and bf16 for the teacher", group=o.MACHINE
    )
    workers: Workers = option(
        None,
        "processes that decode images; auto (default): 2 on a CPU, for a GPU all cores but one",
        concerns="machine",
        group=o.MACHINE,
        ge=0,
    )
    compile: bool = option(
        False,
        "torch.compile for student and teacher: minutes at the start, needs a C++ compiler",
        group=o.MACHINE,
        off="--no-compile",
    )
    offline: bool = option(
        False,
        "never ask the network (as HF_HUB_OFFLINE=1 does)",
        level="basic",
        concerns="machine",
        group=o.MACHINE,
    )


class RunOptions(Part):
    """The run folder."""

    output: Path | None = option(
        None,
        "run folder; default: runs/<verb>-<name>-<number>",
        level="basic",
        concerns="machine",
        group=o.DATA,
        flags=("-o",),
        inherited=False,
    )
    resume: bool = option(
        False,
        "go on from the state in the run folder",
        level="basic",
        concerns="machine",
        group=o.DATA,
        inherited=False,
    )
