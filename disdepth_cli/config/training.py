"""The configurations of acclimate and distill: their parts, and the options of the method."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from disdepth_cli.config import option as o
from disdepth_cli.config.base import BaseConfig, Part
from disdepth_cli.config.distilled_student import DistilledStudentOptions
from disdepth_cli.config.option import option
from disdepth_cli.config.parts import (
    CompareOptions,
    DataOptions,
    HubOptions,
    LoopOptions,
    MachineOptions,
    RunOptions,
    StudentOptions,
    TeacherOptions,
)
from disdepth_cli.config.types import AbsolutePath, Attention, Fusion, Milliseconds, TeacherName, TeacherNames, Tuning


class RelativeOptions(Part):
    """A student of relative disparity, trained on images without ground truth by a teacher without metres."""

    anchor_weight: float = option(
        4.0,
        "weight of the scale anchor of a relative student; 0: no anchor",
        level="recipe",
        group=o.UNLABELLED,
        ge=0,
    )


class PseudoLabelOptions(RelativeOptions):
    """Images without ground truth learn from the teacher's depth."""

    pseudo_drop: float = option(
        0.1,
        "share of an unlabelled image's pixels that do not count: those where student and teacher differ most",
        level="recipe",
        concerns="teacher",
        group=o.UNLABELLED,
        ge=0,
        lt=1,
    )
    pseudo_confidence: Literal["none", "flip"] = option(
        "none",
        "flip: a pixel counts less where the teacher disagrees with itself on the flipped image",
        level="recipe",
        concerns="teacher",
        group=o.UNLABELLED,
    )


class AcclimatedTeacherOptions(TeacherOptions):
    """The teacher that is acclimated, and the part of it that is trained."""

    name: TeacherName = option(
        ...,
        "Hub id, folder in Hub format or of depth maps, timm:NAME, or FILE.py:FUNCTION (your own network)",
        level="basic",
        concerns="teacher",
        group=o.TEACHER,
        called="teacher",
        flags=("-t",),
        local=True,
        inherited=False,
    )
    train: Tuning = option(
        "frozen",
        "trained part of the teacher. frozen: none; last-N: its last N encoder blocks and its own decoder; full: all",
        group=o.TEACHER,
        called="train_teacher",
    )
    lr: float = option(
        3e-5, "peak learning rate of a teacher that is trained", group=o.TEACHER, called="teacher_lr", gt=0
    )
    own_loss: float = option(
        1.0,
        "weight of the depth loss of a trained teacher's own decoder, which keeps the teacher's accuracy",
        level="recipe",
        group=o.TEACHER,
        ge=0,
    )


class AcclimationOptions(RelativeOptions):
    """How the ghost decoder and the attention tokens are trained."""

    ghost: AbsolutePath | None = option(
        None,
        "acclimated run whose ghost decoder is used unchanged, for several teachers of one decoder",
        group=o.TEACHER,
        local=True,
    )
    teacher_loss: float = option(
        10.0,
        "weight mu of |log ghost - log teacher| at every pixel, labelled or not",
        level="recipe",
        group=o.METHOD,
        ge=0,
    )
    attention_tokens: int = option(4, "attention tokens per level", level="recipe", group=o.METHOD, ge=1, le=64)
    attention_steps: int = option(
        0,
        "steps that train the attention tokens at the end; learned attention in distill needs about 100",
        level="recipe",
        group=o.METHOD,
        ge=0,
    )
    attention_diversity: float = option(
        1.0, "weight of the Dice term that keeps the tokens different", level="recipe", group=o.METHOD, flag=False, ge=0
    )


class AcclimationLoop(LoopOptions):
    """The loop of an acclimation."""

    epochs: int = option(5, "passes over the training images", level="basic", inherited=False, ge=1)


class AcclimationRun(RunOptions):
    """The run of an acclimation."""

    dry_run: bool = option(
        False, "print the teacher's contract and stop", level="basic", concerns="machine", group=o.DATA
    )


class DistillationRun(RunOptions):
    """The run of a distillation."""

    budget: Milliseconds | None = option(
        None,
        "most CPU time of one image on one thread of this machine, such as 20ms. A slower student is refused before "
        "training; the message names students that fit",
        level="basic",
        concerns="machine",
        group=o.STUDENT,
    )

    dry_run: bool = option(
        False,
        "print the plan and stop: no training, no upload",
        level="basic",
        concerns="machine",
        group=o.DATA,
    )


class StudentTeacherOptions(TeacherOptions):
    """The teachers that a student learns from."""

    names: TeacherNames | None = option(
        None,
        "acclimated run, or any teacher, which is acclimated first; may be repeated",
        level="basic",
        concerns="teacher",
        group=o.TEACHER,
        called="teacher",
        flags=("-t",),
        local=True,
        inherited=False,
    )


class MethodOptions(PseudoLabelOptions):
    """What the student learns from its teacher, and its weights at the start."""

    distill: bool = option(
        True, "off: train the control, the same training without the teacher", group=o.COMPARISON, off="--no-distill"
    )
    teacher_fusion: Fusion = option(
        "mean",
        "for several teachers. mean: their mean; ghost-error: at each pixel the teacher whose ghost decoder errs least",
        concerns="teacher",
        group=o.TEACHER,
    )
    output_weight: float = option(
        1.0,
        "weight of |log student - log target depth|",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
        ge=0,
    )
    output_target: Literal["ghost", "teacher"] = option(
        "ghost",
        "source of the depth that the student imitates",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    feature_weight: float = option(
        1.0, "weight of the attentive feature loss", level="recipe", concerns="teacher", group=o.METHOD, ge=0
    )
    feature_target: Literal["ghost", "teacher"] = option(
        "ghost",
        "features to imitate. ghost: the acclimated features; teacher: the teacher's own at strides 16 and 32",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    feature_levels: Literal["encoder", "decoder", "both"] = option(
        "both",
        "levels of the feature loss. encoder: strides 16 and 32 of the backbone; decoder: the levels of the decoder",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    attention: Attention = option(
        "uniform",
        "weights of the positions in the feature loss. learned: attention tokens as in the paper, trained with "
        "--attention-steps 100; no clear gain in our benchmarks. ghost-error: more where the ghost is right. fgd: more "
        "where features are strong",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    feature_projection: Literal["auto", "folded", "dropped", "both"] = option(
        "auto",
        "adapters of the backbone's features where the decoder starts from the ghost. folded: one 1x1 convolution a "
        "level, solved by least squares, multiplied into the decoder at the end. dropped: convolutions for the loss "
        "alone. both: the two of them. auto: both for a pretrained backbone, else folded",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    init_decoder: Literal["auto", "ghost", "random"] = option(
        "auto",
        "weights of the student's decoder at the start. auto: random for a pretrained backbone, which gains less in a "
        "short training and more in a long one; else the ghost's",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    init_backbone: Literal["random", "least-squares"] = option(
        "least-squares",
        "weights of a backbone that is not pretrained. least-squares: the last convolution of each block is solved for "
        "the acclimated features, in backbones of known blocks",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    small_first: float = option(
        0.0,
        "share of the steps, from the start, with views at half size, at a quarter of the cost (progressive resizing)",
        level="recipe",
        ge=0,
        lt=1,
    )


class TrainingConfig(BaseConfig):
    """What acclimate and distill have in common."""

    takes_processes: ClassVar[bool] = True

    data: DataOptions
    student: StudentOptions
    teacher: TeacherOptions
    loop: LoopOptions
    machine: MachineOptions
    run: RunOptions


class AcclimateConfig(TrainingConfig):
    """disdepth acclimate."""

    unused: ClassVar[frozenset[str]] = frozenset({"student_weights", "pretrained", "backbone_lr"})

    teacher: AcclimatedTeacherOptions
    method: AcclimationOptions
    loop: AcclimationLoop
    run: AcclimationRun

    @model_validator(mode="before")
    @classmethod
    def _dry_run_needs_no_data(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"data": ".", **values} if values.get("dry_run") else values


class DistillConfig(TrainingConfig):
    """disdepth distill."""

    student: DistilledStudentOptions
    teacher: StudentTeacherOptions
    method: MethodOptions
    compare: CompareOptions
    hub: HubOptions
    run: DistillationRun
