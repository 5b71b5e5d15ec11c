"""Options of acclimate and distill."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from disdepth_cli.config.base import BaseConfig, HubConfig
from disdepth_cli.config.types import (
    AbsoluteDataPlace,
    AbsolutePath,
    Attention,
    Fusion,
    Keep,
    LGConvPlace,
    Milliseconds,
    NameOrNothing,
    Precision,
    Size,
    TeacherName,
    TeacherNames,
    Tuning,
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


class AugmentConfig(BaseConfig):
    """Training views. Each is a function of (seed, epoch, index) alone, the same for teacher and student."""

    views: int | None = Field(
        default=None,
        ge=1,
        description="number of different views of an image; later epochs see them again; default: every epoch has its "
        "own",
    )
    seed: int | None = Field(default=None, ge=0, description="seed of the views alone; default: the run's seed")
    crop_size: Size | None = Field(
        default=None, description="training crop HxW; default: the working size less the protocol's border, to 32s"
    )
    flip: float = Field(default=0.5, ge=0, le=1, description="probability of a horizontal flip")
    scale: float = Field(
        default=1.15,
        ge=1,
        le=4,
        description="zoom in or out by up to this; depth is divided by the zoom, the focal length stays",
    )
    colour_probability: float = Field(default=0.5, ge=0, le=1, description="probability of each colour change")
    gamma: tuple[float, float] = Field(default=(0.9, 1.1), description="range of the gamma exponent")
    brightness: tuple[float, float] = Field(default=(0.75, 1.25), description="range of the brightness factor")
    colour: tuple[float, float] = Field(default=(0.9, 1.1), description="range of each channel's factor")
    frame: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="probability of a painted frame over the student's view, as scans and letterboxed images have; "
        "default: 0.5 where the protocol's border crop cuts one away (NYU), 0 elsewhere",
    )


class StudentConfig(BaseConfig):
    """The student that is built: backbone, LG-Conv, decoder, heads."""

    student: str = Field("mobilenetv2", description="timm CNN, or a short name: " + ", ".join(STUDENTS))
    student_weights: AbsolutePath | None = Field(None, description="backbone weights of that timm model, safetensors")
    pretrained: bool = Field(True, description="start from timm's weights on the Hub; off: random start")
    lg_conv: LGConvPlace = Field(
        "none",
        description="which backbone convolutions get the LG-Conv branch; auto: depth-wise ones in depth-wise "
        "backbones, dense ones in the others",
    )
    decoder_channels: int = Field(64, ge=8, le=1024, description="channels of the decoder")
    bins: int = Field(64, ge=2, le=1024, description="number of depth bins")
    input_size: Size = Field((240, 320), description="working size HxW, kept in the checkpoint")


class LoopConfig(BaseConfig):
    """One optimisation run."""

    device: str = Field("auto", description="auto, cpu, cuda, cuda:0 or mps")
    precision: Precision = Field("auto", description="auto: bf16 on CUDA; on a CPU fp32, and bf16 for the teacher")
    batch_size: int = Field(8, ge=1, description="images a step and process")
    accumulate: int = Field(1, ge=1, description="batches per optimiser step")
    workers: int = Field(2, ge=0, description="processes that decode images")
    epochs: int = Field(10, ge=1, description="passes over the training images")
    max_steps: int | None = Field(None, ge=1, description="stop the schedule after this many steps instead")
    lr: float = Field(1e-3, gt=0, description="peak learning rate of the decoder and all new parts")
    backbone_lr: float | None = Field(
        None, gt=0, description="peak rate of the backbone; default: 0.3 lr pretrained, lr at random start"
    )
    weight_decay: float = Field(0.05, ge=0, description="AdamW weight decay")
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    ema: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights, warmed up; 0: off")
    seed: int = Field(0, ge=0, description="seed of initialisation, order and augmentation")
    save_every: int = Field(100, ge=1, description="steps between saves of the resume state")
    validate_every: int = Field(1, ge=1, description="epochs between validations; the last step is always validated")
    max_corrupt: int = Field(10, ge=0, description="unreadable training files that are skipped before giving up")
    max_nonfinite: int = Field(5, ge=1, description="steps in a row with a non-finite loss before giving up")
    max_depth: float | None = Field(None, gt=0, description="largest depth [m]; default: the data's")
    min_depth: float | None = Field(None, gt=0, description="smallest depth [m]; default: the data's")
    augment: AugmentConfig = Field(default_factory=lambda: AugmentConfig())


class RunPlace(BaseConfig):
    """Where the data is and where results go."""

    data: AbsoluteDataPlace = Field(
        description="data.yaml, a folder with rgb/ (or images/) and depth/, a folder of images, or shards"
    )
    output: Path | None = Field(None, description="run folder; default: runs/<verb>-<name>-<number>")
    resume: bool = Field(False, description="go on from the state in the run folder")
    offline: bool = Field(False, description="never ask the network (as HF_HUB_OFFLINE=1 does)")


class TeacherConfig(BaseConfig):
    """Which teacher."""

    teacher: TeacherName = Field(description="Hub id, local folder in Hub format, timm:NAME or an acclimated run")
    revision: str | None = Field(None, description="commit, tag or branch of the teacher on the Hub")
    teacher_weights: AbsolutePath | None = Field(None, description="weights of a timm:NAME teacher, safetensors")


class TeacherCacheConfig(BaseConfig):
    """Where a frozen teacher's outputs are kept."""

    teacher_cache: AbsolutePath | None = Field(
        None,
        description="folder that keeps what a frozen teacher says of each training view, for this run and others to "
        "replay; 1.3 MB a view of 224x288 with a ViT-S, and the run says how much",
    )


class RelativeConfig(BaseConfig):
    """A student of relative disparity: what its teacher gives where nothing says what a metre is."""

    anchor_weight: float = Field(
        4.0, ge=0, description="weight of the scale anchor of a relative student; 0 lets its outputs drift"
    )


class PseudoLabelConfig(RelativeConfig):
    """Images without ground truth learn from the teacher's depth."""

    pseudo_drop: float = Field(
        0.1, ge=0, lt=1, description="share of an unlabelled image's pixels, the worst ones, that do not count"
    )
    pseudo_confidence: Literal["none", "flip"] = Field(
        "none", description="flip: pixels count less where the teacher contradicts itself on the flipped image"
    )


class AcclimateConfig(TeacherConfig, TeacherCacheConfig, RelativeConfig, StudentConfig, LoopConfig, RunPlace):
    """disdepth acclimate."""

    epochs: int = Field(5, ge=1, description="passes over the training images")
    teacher_loss: float = Field(
        10.0,
        ge=0,
        description="mu: weight of |log ghost - log teacher| at every pixel, labelled or not",
    )
    ghost: AbsolutePath | None = Field(
        None, description="acclimated run whose ghost decoder is taken as it is: several teachers, one decoder"
    )
    train_teacher: Tuning = Field(
        "frozen", description="frozen; last-N: its last N encoder blocks and its own decoder; full: all of it"
    )
    teacher_lr: float = Field(3e-5, gt=0, description="peak rate of a teacher that is trained")
    own_loss: float = Field(
        1.0, ge=0, description="weight of the depth loss of a trained teacher's own decoder, which keeps its accuracy"
    )
    attention_tokens: int = Field(4, ge=1, le=64, description="attention tokens per level")
    attention_steps: int = Field(
        0,
        ge=0,
        description="steps that train the attention tokens at the end: about 100 for learned attention in distill",
    )
    attention_diversity: float = Field(1.0, ge=0, description="weight of the Dice term that keeps tokens apart")
    dry_run: bool = Field(False, description="print the teacher's contract and stop")

    @model_validator(mode="before")
    @classmethod
    def _dry_run_needs_no_data(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"data": ".", **values} if values.get("dry_run") else values


class DistillConfig(TeacherCacheConfig, PseudoLabelConfig, StudentConfig, LoopConfig, RunPlace, HubConfig):
    """disdepth distill."""

    teacher: TeacherNames | None = Field(
        None, description="acclimated run, or any teacher (acclimated first); may be given several times"
    )
    revision: str | None = Field(None, description="commit, tag or branch of the teacher on the Hub")
    teacher_weights: AbsolutePath | None = Field(None, description="weights of a timm:NAME teacher, safetensors")
    teacher_fusion: Fusion = Field(
        "mean", description="of several teachers: their mean, or at each pixel the one whose ghost decoder errs least"
    )
    distill: bool = Field(True, description="off: the control, the same training without the teacher")
    control: bool = Field(
        False, description="also train the control, into RUN-control, and report what distillation has gained"
    )
    keep: Keep = Field(
        "auto",
        description="which of the two a run with a control hands out as student.safetensors, by the val RMSE of both. "
        "auto: the distilled one, unless it is worse beyond chance; better: the one with the lower RMSE; distilled",
    )
    sweep: bool = Field(
        False, description="first try a few loss weights in short runs, in RUN-sweep; the best by val RMSE is taken"
    )
    sweep_steps: int | None = Field(
        None, ge=1, description="steps of each of those; default: a quarter of the run's, at least 50"
    )
    output_weight: float = Field(1.0, ge=0, description="weight of |log student - log target depth|")
    output_target: Literal["ghost", "teacher"] = Field("ghost", description="whose depth the student imitates")
    feature_weight: float = Field(1.0, ge=0, description="weight of the attentive feature loss")
    feature_target: Literal["ghost", "teacher"] = Field(
        "ghost",
        description="ghost: the acclimated features; teacher: its raw ones at strides 16 and 32, which the ghost is "
        "measured by",
    )
    feature_levels: Literal["encoder", "decoder", "both"] = Field(
        "both", description="encoder: strides 16 and 32; decoder: its own levels"
    )
    attention: Attention = Field(
        "uniform",
        description="what weighs the positions of the feature loss. learned: tokens that were trained in the "
        "acclimation (--attention-steps 100), as in the paper, which gained nothing beyond chance in our benchmarks; "
        "ghost-error: where the ghost is right; fgd: where features are strong",
    )
    feature_projection: Literal["auto", "folded", "dropped", "both"] = Field(
        "auto",
        description="what translates the backbone's features, where the decoder starts from the ghost. folded: a "
        "conv1x1 a level, started by least squares and multiplied into the decoder at the end; dropped: a help for the "
        "loss alone; both: the folded one to start from, and another one for the loss, which then binds less; auto: "
        "folded where the backbone starts at random, both where it is pretrained",
    )
    init_decoder: Literal["auto", "ghost", "random"] = Field(
        "auto",
        description="what the student's decoder starts from. auto: from the ghost where the backbone starts at random "
        "too; at random where it is pretrained, which gains less in a short training and more in a long one",
    )
    init_backbone: Literal["random", "least-squares"] = Field(
        "least-squares",
        description="what a backbone without pretrained weights starts from. least-squares: each block's last "
        "convolution is solved for the acclimated features, where the backbone's blocks are of a known kind",
    )
    small_first: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the steps, from the start, in which the student sees its views at half their size: a "
        "quarter of the cost (progressive resizing)",
    )
    push_to_hub: NameOrNothing = Field(
        None, description="OWNER/NAME on the Hub that gets the finished student; '' for none"
    )
    budget: Milliseconds | None = Field(
        None,
        description="most CPU time of one image of the working size here, on one thread, as 20ms: a student that takes "
        "more is refused before training, and those that fit are named",
    )
    dry_run: bool = Field(False, description="print what would be done and stop: no training, nothing sent")
