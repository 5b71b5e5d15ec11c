"""Which weights of a teacher are trained when it adapts to the user's data."""

from __future__ import annotations

from torch import Tensor, nn

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.teacher import DepthTeacher

DECODERS = ("neck", "head", "decoder", "relative_head", "metric_head", "fusion_stage", "fov_model")
"""Parts of depth models behind the encoder, by the first name of their weights."""


def unfreeze(teacher: DepthTeacher, which: str) -> None:
    """Let a frozen teacher learn: "full", or "last-N": its last N encoder blocks and whatever follows the encoder.

    Dropout and the running statistics of norms stand still: the teacher stays in evaluation mode.

    Raises:
        TeacherError: it has fewer than N blocks that can be told apart.
    """
    if which == "frozen":
        return
    teacher.frozen, teacher.learns = False, True
    teacher.eval()
    if which == "full":
        teacher.requires_grad_(True)
        return
    count, blocks = int(which.removeprefix("last-")), encoder_blocks(teacher)
    if count > len(blocks):
        raise TeacherError(
            f"--train-teacher {which}: {teacher.contract.id} has {len(blocks)} encoder blocks that can be told apart; "
            "give a smaller N, or full"
        )
    for block in blocks[-count:]:
        block.requires_grad_(True)
    if teacher.contract.kind == "none":  # an encoder's own head, if it has one, is for other tasks
        return
    for name, parameter in teacher.network.named_parameters():
        if _is_decoder(name):
            parameter.requires_grad_(True)


def encoder_blocks(teacher: DepthTeacher) -> list[nn.Module]:
    """The encoder's attention blocks, first to last: the innermost lists of alike modules that hold an attention."""
    blocks: list[nn.Module] = []
    for name, module in teacher.network.named_modules():
        if isinstance(module, nn.ModuleList | nn.Sequential) and not _is_decoder(name) and _is_block_list(module):
            blocks += module
    return blocks


def trained_weights(teacher: DepthTeacher) -> dict[str, Tensor]:
    """The weights that may have changed, by their names in the teacher; empty for a frozen one."""
    return {name: parameter.detach() for name, parameter in teacher.named_parameters() if parameter.requires_grad}


def load_trained(teacher: DepthTeacher, weights: dict[str, Tensor]) -> None:
    """Put changed weights into their places.

    Raises:
        TeacherError: the teacher has no such weight, or of another shape.
    """
    own = teacher.state_dict()
    for name, value in weights.items():
        if name not in own or own[name].shape != value.shape:
            raise TeacherError(f"{teacher.contract.id}: has no place for the trained weight {name}; acclimate again")
        own[name].copy_(value)


def _is_decoder(name: str) -> bool:
    parts = name.removeprefix("model.").split(".")
    return parts[0] in DECODERS


def _is_block_list(module: nn.ModuleList | nn.Sequential) -> bool:
    children = list(module)
    alike = len({type(child) for child in children}) == 1
    inner = any(
        isinstance(below, nn.ModuleList | nn.Sequential) and _has_attention(below)
        for child in children
        for below in child.modules()
    )
    return bool(children) and alike and not inner and all(_has_attention(child) for child in children)


def _has_attention(module: nn.Module) -> bool:
    names = (type(below).__name__.lower() for below in module.modules())
    return any("attention" in name or "attn" in name for name in names)
