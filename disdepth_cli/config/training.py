"""The configurations of acclimate and distill: their parts, and the switches of the method."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from disdepth_cli.config import option as o
from disdepth_cli.config.base import BaseConfig, Part
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
from disdepth_cli.config.types import AbsolutePath, Attention, Fusion, TeacherName, TeacherNames, Tuning


class RelativeOptions(Part):
    """A student of relative disparity: what its teacher gives where nothing says what a metre is."""

    anchor_weight: float = option(
        4.0,
        "weight of the scale anchor of a relative student; 0 lets its outputs drift",
        level="recipe",
        group=o.UNLABELLED,
        ge=0,
    )


class PseudoLabelOptions(RelativeOptions):
    """Images without ground truth learn from the teacher's depth."""

    pseudo_drop: float = option(
        0.1,
        "share of an unlabelled image's pixels, the worst ones, that do not count",
        level="recipe",
        concerns="teacher",
        group=o.UNLABELLED,
        ge=0,
        lt=1,
    )
    pseudo_confidence: Literal["none", "flip"] = option(
        "none",
        "flip: pixels count less where the teacher contradicts itself on the flipped image",
        level="recipe",
        concerns="teacher",
        group=o.UNLABELLED,
    )


class AcclimatedTeacherOptions(TeacherOptions):
    """The teacher that is acclimated, and what of it is trained."""

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
        "frozen; last-N: its last N encoder blocks and its own decoder; full: all of it",
        group=o.TEACHER,
        called="train_teacher",
    )
    lr: float = option(3e-5, "peak rate of a teacher that is trained", group=o.TEACHER, called="teacher_lr", gt=0)
    own_loss: float = option(
        1.0,
        "weight of the depth loss of a trained teacher's own decoder, which keeps its accuracy",
        level="recipe",
        group=o.TEACHER,
        ge=0,
    )


class AcclimationOptions(RelativeOptions):
    """How the ghost decoder and the attention tokens are trained."""

    ghost: AbsolutePath | None = option(
        None,
        "acclimated run whose ghost decoder is taken as it is: several teachers, one decoder",
        group=o.TEACHER,
        local=True,
    )
    teacher_loss: float = option(
        10.0,
        "mu: weight of |log ghost - log teacher| at every pixel, labelled or not",
        level="recipe",
        group=o.METHOD,
        ge=0,
    )
    attention_tokens: int = option(4, "attention tokens per level", level="recipe", group=o.METHOD, ge=1, le=64)
    attention_steps: int = option(
        0,
        "steps that train the attention tokens at the end: about 100 for learned attention in distill",
        level="recipe",
        group=o.METHOD,
        ge=0,
    )
    attention_diversity: float = option(
        1.0, "weight of the Dice term that keeps tokens apart", level="recipe", group=o.METHOD, flag=False, ge=0
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

    dry_run: bool = option(
        False,
        "print what would be done and stop: no training, nothing sent",
        level="basic",
        concerns="machine",
        group=o.DATA,
    )


class StudentTeacherOptions(TeacherOptions):
    """The teachers that a student learns from."""

    names: TeacherNames | None = option(
        None,
        "acclimated run, or any teacher (acclimated first); may be given several times",
        level="basic",
        concerns="teacher",
        group=o.TEACHER,
        called="teacher",
        flags=("-t",),
        local=True,
        inherited=False,
    )


class MethodOptions(PseudoLabelOptions):
    """What the student learns from its teacher, and what it starts from."""

    distill: bool = option(
        True, "off: the control, the same training without the teacher", group=o.COMPARISON, off="--no-distill"
    )
    teacher_fusion: Fusion = option(
        "mean",
        "of several teachers: their mean, or at each pixel the one whose ghost decoder errs least",
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
        "ghost", "whose depth the student imitates", level="recipe", concerns="teacher", group=o.METHOD
    )
    feature_weight: float = option(
        1.0, "weight of the attentive feature loss", level="recipe", concerns="teacher", group=o.METHOD, ge=0
    )
    feature_target: Literal["ghost", "teacher"] = option(
        "ghost",
        "ghost: the acclimated features; teacher: its raw ones at strides 16 and 32, which the ghost is measured by",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    feature_levels: Literal["encoder", "decoder", "both"] = option(
        "both",
        "encoder: strides 16 and 32; decoder: its own levels",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    attention: Attention = option(
        "uniform",
        "what weighs the positions of the feature loss. learned: tokens that were trained in the acclimation "
        "(--attention-steps 100), as in the paper, which gained nothing beyond chance in our benchmarks; ghost-error: "
        "where the ghost is right; fgd: where features are strong",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    feature_projection: Literal["auto", "folded", "dropped", "both"] = option(
        "auto",
        "what translates the backbone's features, where the decoder starts from the ghost. folded: a conv1x1 a level, "
        "started by least squares and multiplied into the decoder at the end; dropped: a help for the loss alone; "
        "both: the folded one to start from, and another one for the loss, which then binds less; auto: folded "
        "where the backbone starts at random, both where it is pretrained",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    init_decoder: Literal["auto", "ghost", "random"] = option(
        "auto",
        "what the student's decoder starts from. auto: from the ghost where the backbone starts at random too; at "
        "random where it is pretrained, which gains less in a short training and more in a long one",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    init_backbone: Literal["random", "least-squares"] = option(
        "least-squares",
        "what a backbone without pretrained weights starts from. least-squares: each block's last convolution is "
        "solved for the acclimated features, where the backbone's blocks are of a known kind",
        level="recipe",
        concerns="teacher",
        group=o.METHOD,
    )
    small_first: float = option(
        0.0,
        "share of the steps, from the start, in which the student sees its views at half their size: a quarter of the "
        "cost (progressive resizing)",
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

    teacher: StudentTeacherOptions
    method: MethodOptions
    compare: CompareOptions
    hub: HubOptions
    run: DistillationRun
