"""The parts of a training configuration: data, student, teacher, loop, comparison, page on the Hub, machine, run."""

from __future__ import annotations

from pathlib import Path

from disdepth_cli.config import option as o
from disdepth_cli.config.base import Part
from disdepth_cli.config.option import option
from disdepth_cli.config.types import (
    AbsolutePath,
    BatchSize,
    DataLocation,
    Keep,
    LGConvOn,
    NameOrNothing,
    Precision,
    Size,
    Tracker,
    Workers,
)
from disdepth_cli.config.views import AugmentConfig

STUDENTS = {
    "mobilenetv2": "mobilenetv2_100",
    "mobilenetv3": "mobilenetv3_large_100",
    "efficientnet-lite0": "tf_efficientnet_lite0",
    "efficientnet-b0": "efficientnet_b0",
    "resnet18": "resnet18",
    "ghostnet": "ghostnet_100",
}
"""Short name of a student to its timm model."""

DATA_HELP = "data.yaml, a folder with rgb/ (or images/) and depth/, a folder of images, or shards"
DEVICE_HELP = "auto, cpu, cuda, cuda:N or mps"


class DataOptions(Part):
    """The images, their depth, and the training views."""

    location: DataLocation = option(..., DATA_HELP, level="basic", group=o.DATA, called="data", local=True, free=True)
    max_depth: float | None = option(None, "largest depth [m]; default: the data's", group=o.STUDENT, gt=0)
    min_depth: float | None = option(None, "smallest depth [m]; default: the data's", group=o.STUDENT, gt=0)
    augment: AugmentConfig = option(default_factory=AugmentConfig, description="training views")


class StudentOptions(Part):
    """The student that is built: backbone, LG-Conv, decoder, heads."""

    backbone: str = option(
        "mobilenetv2",
        "timm CNN, or a short name: " + ", ".join(STUDENTS) + "; in distill, an acclimated teacher's goes before "
        "the default",
        level="basic",
        group=o.STUDENT,
        called="student",
        flags=("-s",),
    )
    weights: AbsolutePath | None = option(
        None,
        "weights of the backbone (safetensors)",
        level="basic",
        group=o.STUDENT,
        called="student_weights",
        local=True,
    )
    pretrained: bool = option(
        True,
        "start from timm's weights on the Hub; off: from random weights",
        level="basic",
        group=o.STUDENT,
        off="--no-pretrained",
    )
    lg_conv: LGConvOn = option(
        "none",
        "convolutions of the backbone that get LG-Conv. auto: the depth-wise convolutions, or the dense ones where "
        "there are no depth-wise ones",
        level="recipe",
        group=o.STUDENT,
    )
    decoder_channels: int = option(64, "channels of the decoder", group=o.STUDENT, ge=8, le=1024)
    bins: int = option(64, "number of depth bins", group=o.STUDENT, ge=2, le=1024)
    input_size: Size = option(
        (240, 320),
        "working size HxW; the checkpoint stores it. In distill, that of an acclimated teacher, or of the start, goes "
        "before the default",
        level="basic",
        group=o.STUDENT,
    )


class TeacherOptions(Part):
    """The teacher, and the folder that keeps its outputs."""

    revision: str | None = option(
        None, "commit, tag or branch of the teacher on the Hub", concerns="teacher", group=o.TEACHER
    )
    weights: AbsolutePath | None = option(
        None,
        "weights of a timm:NAME teacher (safetensors)",
        concerns="teacher",
        group=o.TEACHER,
        called="teacher_weights",
        local=True,
    )
    cache: AbsolutePath | None = option(
        None,
        "folder that keeps a frozen teacher's outputs for each training view. This run and others replay them. With a "
        "ViT-S a view of 224x288 takes 1.3 MB; the run prints its size",
        concerns="teacher",
        group=o.TEACHER,
        called="teacher_cache",
        local=True,
    )


class LoopOptions(Part):
    """One optimisation run."""

    epochs: int = option(10, "passes over the training images", level="basic", inherited=False, ge=1)
    max_steps: int | None = option(None, "number of steps, in place of epochs", inherited=False, ge=1)
    batch_size: BatchSize = option(
        8, "images a step, for each process; auto: the largest power of two that fits the memory", level="basic"
    )
    accumulate: int = option(1, "batches per optimiser step", ge=1)
    lr: float = option(1e-3, "peak learning rate of the decoder and all new parts", gt=0)
    backbone_lr: float | None = option(
        None, "peak learning rate of the backbone; default: 0.3 lr where it is pretrained, else lr", gt=0
    )
    weight_decay: float = option(0.05, "AdamW weight decay", ge=0)
    clip: float = option(1.0, "largest norm of the gradients", gt=0)
    ema: float = option(0.998, "decay of the averaged weights, with a warm-up; 0: no averaging", ge=0, lt=1)
    seed: int = option(0, "seed of initialisation, order and augmentation", ge=0)
    validate_every: int = option(1, "epochs between validations; the last step always has one", ge=1)
    save_every: float = option(
        90.0,
        "seconds between saves of the resume state, also saved at each validation; 0: every step",
        concerns="machine",
        ge=0,
    )
    max_corrupt: int = option(
        10, "number of unreadable training files that are skipped before the run ends", free=True, ge=0
    )
    max_nonfinite: int = option(
        5, "number of steps in a row with a non-finite loss before the run ends", level="recipe", flag=False, ge=1
    )


class CompareOptions(Part):
    """What a run is compared with, and which student it keeps."""

    control: bool = option(
        False,
        "also train the control, in RUN-control, and report the gain of distillation",
        level="basic",
        concerns="comparison",
        group=o.COMPARISON,
        off="--no-control",
        free=True,
    )
    keep: Keep = option(
        "auto",
        "student that a run with a control keeps as student.safetensors. auto: the distilled student, unless its val "
        "RMSE is clearly worse. better: the student with the lower val RMSE. distilled: never the control",
        concerns="comparison",
        group=o.COMPARISON,
        free=True,
    )
    sweep: bool = option(
        False,
        "first try a few loss weights in short runs, in RUN-sweep, and take the best by val RMSE",
        concerns="comparison",
        group=o.COMPARISON,
        off="--no-sweep",
    )
    sweep_steps: int | None = option(
        None,
        "steps of each short run of --sweep; default: a quarter of the run's steps, at least 50",
        concerns="comparison",
        group=o.COMPARISON,
        ge=1,
    )


class HubPage(Part):
    """The page of a student on the Hub, and who sees the page."""

    private: bool = option(
        False,
        "make a new repository private; an existing repository stays as it is",
        concerns="hub",
        group=o.HUB,
    )
    licence: str | None = option(
        None,
        "licence of the student, such as apache-2.0; default: the teacher's licence if it is restrictive, else unknown",
        concerns="hub",
        group=o.HUB,
        flags=("--license",),
    )


class HubOptions(HubPage):
    """The push of the finished student, and its page."""

    push_to_hub: NameOrNothing = option(
        None, "OWNER/NAME on the Hub for the finished student; '' for none", concerns="hub", group=o.HUB
    )


class MachineOptions(Part):
    """The device, its precision, and the processes that feed it."""

    device: str = option("auto", DEVICE_HELP, level="basic", concerns="machine", group=o.MACHINE)
    precision: Precision = option(
        "auto",
        "auto: bf16 on CUDA (fp16 without bf16 units), else fp32; a frozen teacher also: bf16 on CPUs that have it",
        group=o.MACHINE,
    )
    workers: Workers = option(
        None,
        "processes that decode images; auto (default): 2 for a CPU, all cores but one for a GPU",
        concerns="machine",
        group=o.MACHINE,
        ge=0,
    )
    compile: bool = option(
        False,
        "use torch.compile for student and teacher; takes minutes at the start, needs a C++ compiler",
        group=o.MACHINE,
        off="--no-compile",
    )
    offline: bool = option(
        False,
        "never use the network, as with HF_HUB_OFFLINE=1",
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
        "continue from the state in the run folder",
        level="basic",
        concerns="machine",
        group=o.DATA,
        inherited=False,
    )
    verbose: bool = option(
        False,
        "also print the teacher's whole contract, as acclimate --dry-run does",
        concerns="machine",
        group=o.GENERAL,
    )
    track: Tracker | None = option(
        None,
        "experiment tracker that losses and metrics go to; default: TensorBoard where it is installed",
        concerns="machine",
        group=o.GENERAL,
    )
