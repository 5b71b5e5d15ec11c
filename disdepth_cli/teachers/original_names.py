"""What the weights of a depth network are called in its authors' repository, and what transformers calls them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.architectures import is_unused

Rule = tuple[str, str]
"""A pattern of original names, and the name in transformers; `{n}` is its n-th group, `{n-1}` one less, `{4-n}` counted
from the other end. `<qkv>` stands for three names, to which the rows of one tensor are dealt out."""

LINEAR = r"(weight|bias)"
DINOV2: tuple[Rule, ...] = (
    (r"pretrained\.cls_token", "backbone.embeddings.cls_token"),
    (r"pretrained\.mask_token", "backbone.embeddings.mask_token"),
    (r"pretrained\.register_tokens", "backbone.embeddings.register_tokens"),
    (r"pretrained\.pos_embed", "backbone.embeddings.position_embeddings"),
    (rf"pretrained\.patch_embed\.proj\.{LINEAR}", "backbone.embeddings.patch_embeddings.projection.{1}"),
    (rf"pretrained\.norm\.{LINEAR}", "backbone.layernorm.{1}"),
    (rf"pretrained\.blocks\.(\d+)\.norm([12])\.{LINEAR}", "backbone.encoder.layer.{1}.norm{2}.{3}"),
    (rf"pretrained\.blocks\.(\d+)\.attn\.qkv\.{LINEAR}", "backbone.encoder.layer.{1}.attention.attention.<qkv>.{2}"),
    (rf"pretrained\.blocks\.(\d+)\.attn\.proj\.{LINEAR}", "backbone.encoder.layer.{1}.attention.output.dense.{2}"),
    (r"pretrained\.blocks\.(\d+)\.ls([12])\.gamma", "backbone.encoder.layer.{1}.layer_scale{2}.lambda1"),
    (rf"pretrained\.blocks\.(\d+)\.mlp\.fc([12])\.{LINEAR}", "backbone.encoder.layer.{1}.mlp.fc{2}.{3}"),
    (rf"pretrained\.blocks\.(\d+)\.mlp\.w12\.{LINEAR}", "backbone.encoder.layer.{1}.mlp.weights_in.{2}"),
    (rf"pretrained\.blocks\.(\d+)\.mlp\.w3\.{LINEAR}", "backbone.encoder.layer.{1}.mlp.weights_out.{2}"),
)
FUSION: tuple[Rule, ...] = (
    (r"(?:depth_head\.)?scratch\.layer(\d)_rn\.weight", "neck.convs.{1-1}.weight"),
    (rf"(?:depth_head\.)?scratch\.refinenet(\d)\.out_conv\.{LINEAR}", "neck.fusion_stage.layers.{4-1}.projection.{2}"),
    (
        rf"(?:depth_head\.)?scratch\.refinenet(\d)\.resConfUnit([12])\.conv([12])\.{LINEAR}",
        "neck.fusion_stage.layers.{4-1}.residual_layer{2}.convolution{3}.{4}",
    ),
)
ANYTHING_HEAD: tuple[Rule, ...] = (
    (rf"depth_head\.projects\.(\d)\.{LINEAR}", "neck.reassemble_stage.layers.{1}.projection.{2}"),
    (rf"depth_head\.resize_layers\.(\d)\.{LINEAR}", "neck.reassemble_stage.layers.{1}.resize.{2}"),
    (rf"depth_head\.scratch\.output_conv1\.{LINEAR}", "head.conv1.{1}"),
    (rf"depth_head\.scratch\.output_conv2\.0\.{LINEAR}", "head.conv2.{1}"),
    (rf"depth_head\.scratch\.output_conv2\.2\.{LINEAR}", "head.conv3.{1}"),
)
MIDAS: tuple[Rule, ...] = (
    (r"pretrained\.model\.cls_token", "dpt.embeddings.cls_token"),
    (r"pretrained\.model\.pos_embed", "dpt.embeddings.position_embeddings"),
    (rf"pretrained\.model\.patch_embed\.proj\.{LINEAR}", "dpt.embeddings.patch_embeddings.projection.{1}"),
    (rf"pretrained\.model\.norm\.{LINEAR}", "dpt.layernorm.{1}"),
    (rf"pretrained\.model\.blocks\.(\d+)\.norm1\.{LINEAR}", "dpt.encoder.layer.{1}.layernorm_before.{2}"),
    (rf"pretrained\.model\.blocks\.(\d+)\.norm2\.{LINEAR}", "dpt.encoder.layer.{1}.layernorm_after.{2}"),
    (rf"pretrained\.model\.blocks\.(\d+)\.attn\.qkv\.{LINEAR}", "dpt.encoder.layer.{1}.attention.attention.<qkv>.{2}"),
    (rf"pretrained\.model\.blocks\.(\d+)\.attn\.proj\.{LINEAR}", "dpt.encoder.layer.{1}.attention.output.dense.{2}"),
    (rf"pretrained\.model\.blocks\.(\d+)\.mlp\.fc1\.{LINEAR}", "dpt.encoder.layer.{1}.intermediate.dense.{2}"),
    (rf"pretrained\.model\.blocks\.(\d+)\.mlp\.fc2\.{LINEAR}", "dpt.encoder.layer.{1}.output.dense.{2}"),
    (
        rf"pretrained\.act_postprocess(\d)\.0\.project\.0\.{LINEAR}",
        "neck.reassemble_stage.readout_projects.{1-1}.0.{2}",
    ),
    (rf"pretrained\.act_postprocess(\d)\.3\.{LINEAR}", "neck.reassemble_stage.layers.{1-1}.projection.{2}"),
    (rf"pretrained\.act_postprocess(\d)\.4\.{LINEAR}", "neck.reassemble_stage.layers.{1-1}.resize.{2}"),
    (rf"scratch\.output_conv\.(\d)\.{LINEAR}", "head.head.{1}.{2}"),
)
RULES: dict[str, tuple[Rule, ...]] = {
    "depth_anything": DINOV2 + FUSION + ANYTHING_HEAD,
    "dpt": MIDAS + FUSION,
}
"""By `model_type`; of other models only weights that have transformers' names already are taken."""

QKV = ("query", "key", "value")
NOT_NEEDED = r"pretrained\.model\.head\..*|.*\.num_batches_tracked|.*relative_position_index"
"""Of a classifier, or of code that makes them anew."""

WIDTHS = {384: "Small", 768: "Base", 1024: "Large", 1536: "Giant"}


@dataclass
class Renamed:
    """weights: by their names in transformers. names: original name -> those it became. left_out: what has no place."""

    weights: dict[str, Tensor] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def rename(weights: Mapping[str, Tensor], wanted: Mapping[str, Sequence[int]], model_type: str, like: str) -> Renamed:
    """Original weights under the names of `wanted` (name -> shape), the weights of the model `like`.

    What stands before all names alike (`module.`, `_orig_mod.`, `model.`) is dropped.

    Raises:
        TeacherError: weights are missing, of other shapes, or have no place: the file is of another model.
    """
    rules = [(re.compile(pattern), name) for pattern, name in RULES.get(model_type, ())]

    def names_of(key: str) -> tuple[str, ...]:
        return (key,) if key in wanted else _by_rules(key, rules)

    found = Renamed()
    for key, stripped in _without_prefix(list(weights), names_of).items():
        names = tuple(name for name in names_of(stripped) if name in wanted or is_unused(name))
        if not names:
            if not re.fullmatch(NOT_NEEDED, stripped) and not is_unused(stripped):
                found.left_out.append(key)
            continue
        found.names[key] = names
        for name, part in zip(names, weights[key].chunk(len(names)), strict=True):
            if name in wanted:
                found.weights[name] = part.float().contiguous()
    _check(found, wanted, like)
    return found


def grouped(names: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The map for people: layers of one kind on one line, `*` for their numbers."""
    lines: dict[str, str] = {}
    for key, targets in names.items():
        lines.setdefault(re.sub(r"\d+", "*", key), ", ".join(re.sub(r"\d+", "*", target) for target in targets))
    return lines


def _by_rules(key: str, rules: Sequence[tuple[re.Pattern[str], str]]) -> tuple[str, ...]:
    for pattern, name in rules:
        if (found := pattern.fullmatch(key)) is not None:
            filled = re.sub(r"\{(\d)(?:-(\d))?\}", lambda match: _filled(match, found), name)
            return tuple(filled.replace("<qkv>", part) for part in QKV) if "<qkv>" in filled else (filled,)
    return ()


def _filled(location: re.Match[str], found: re.Match[str]) -> str:
    """`{n}`, `{n-1}` or `{4-n}` of a rule."""
    first, second = int(location[1]), location[2]
    if second is None:
        return found[first]
    return str(4 - int(found[int(second)])) if first == 4 else str(int(found[first]) - int(second))


def _without_prefix(keys: list[str], names_of: Callable[[str], tuple[str, ...]]) -> dict[str, str]:
    """Each key without what stands before all of them alike: as much of it as makes most names known."""

    def known(count: int) -> int:
        return sum(bool(names_of(key.split(".", count)[-1])) for key in keys if key.count(".") >= count)

    best = max(range(4), key=lambda count: (known(count), -count))
    before = Counter(tuple(key.split(".", best)[:best]) for key in keys if names_of(key.split(".", best)[-1]))
    common = ".".join(before.most_common(1)[0][0]) if before else ""
    return {key: key[len(common) + 1 :] if common and key.startswith(f"{common}.") else key for key in keys}


def _check(found: Renamed, wanted: Mapping[str, Sequence[int]], like: str) -> None:
    missing = [name for name in wanted if name not in found.weights and not is_unused(name)]
    if len(missing) > len(wanted) / 2:
        raise TeacherError(
            f"is no {like}: {len(found.names)} of its {len(found.names) + len(found.left_out)} weights have a place "
            f"there (the first without: {', '.join(found.left_out[:3]) or 'none'}); give the model that it was trained "
            "from to --like"
        )
    other = [name for name in found.weights if tuple(found.weights[name].shape) != tuple(wanted[name])]
    if other:
        shape, expected = tuple(found.weights[other[0]].shape), tuple(wanted[other[0]])
        other_width = shape[-1] in WIDTHS and shape[-1] != expected[-1]
        size = f"; it looks like the {WIDTHS[shape[-1]]} model" if other_width else ""
        raise TeacherError(f"has {other[0]} of shape {shape}, {like} of {expected}{size}; give the right one to --like")
    for problem, keys in (("lacks", missing), ("has no place there for", found.left_out)):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise TeacherError(f"as {like} it {problem} {', '.join(keys[:3])}{more}; give the right model to --like")
