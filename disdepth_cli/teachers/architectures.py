"""The depth models of transformers that can teach: what their numbers mean, and one forward for depth and features.

Each `run` repeats the upstream model's own forward, encoder -> neck -> head, and keeps what lies between; the tests
hold its depth to the upstream `predicted_depth`. Nothing is hooked and the encoder runs once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from disdepth_cli.teachers.teacher import IMAGENET_MEAN, IMAGENET_STD, Channels, Kind
from disdepth_cli.types import FeatureMaps

HALF: Channels = (0.5, 0.5, 0.5)


@dataclass
class Seen:
    """depth (B, h, w); encoder: the encoder's features (B, C, h_i, w_i); neck: the fused ones, finest first."""

    depth: Tensor
    encoder: FeatureMaps
    neck: FeatureMaps


@dataclass(frozen=True)
class Architecture:
    """One `model_type`: rules that read its config, and its forward."""

    kind: Callable[[Any], Kind]
    max_depth: Callable[[Any], float | None]
    multiple: Callable[[Any], int]
    taps: Callable[[Any], tuple[str, ...]]
    run: Callable[[Any, Tensor], Seen]
    mean: Channels
    std: Channels


def patch_size(config: Any) -> int:
    """Patch side [pixels] of a config (written as int or pair), of its backbone's config where it has one."""
    owner = config if getattr(config, "backbone_config", None) is None else config.backbone_config
    patch = getattr(owner, "patch_size", None) or config.patch_size
    return int(patch if isinstance(patch, int) else patch[0])


def native_size(config: Any) -> tuple[int, int]:
    """Size (height, width) [pixels] the encoder was made for; 480x640 where it says nothing."""
    owner = config if getattr(config, "backbone_config", None) is None else config.backbone_config
    size = getattr(owner, "image_size", None)
    if size is None:
        return 480, 640
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _as_map(feature: Tensor, grid: tuple[int, int]) -> Tensor:
    """Tokens (B, prefix + h * w, C) -> (B, C, h, w); class and register tokens come first. Maps pass unchanged."""
    if feature.ndim == 4:
        return feature
    patches = feature[:, feature.shape[1] - grid[0] * grid[1] :]
    return patches.transpose(1, 2).unflatten(2, grid)


def _grid(pixels: Tensor, patch: int) -> tuple[int, int]:
    return pixels.shape[-2] // patch, pixels.shape[-1] // patch


def _backbone_taps(model: Any) -> tuple[str, ...]:
    return tuple(model.backbone.out_features)


def _run_depth_anything(model: Any, pixels: Tensor) -> Seen:
    grid = _grid(pixels, patch_size(model.config))
    features = model.backbone(pixels).feature_maps
    fused = model.neck(features, *grid)
    depth = model.head(fused, *grid)
    return Seen(depth, [_as_map(feature, grid) for feature in features], fused[::-1])


def _depth_anything_kind(config: Any) -> Kind:
    return "metric_depth" if config.depth_estimation_type == "metric" else "disparity"


def _dpt_kind(config: Any) -> Kind:
    """MiDaS weights give disparity. DINOv2's depthers (facebook/dpt-dinov2-*), which alone have the extra projection,
    regress metres."""
    backbone = getattr(config.backbone_config, "model_type", None)
    return "metric_depth" if config.add_projection and backbone == "dinov2" else "disparity"


def _dpt_multiple(config: Any) -> int:
    """Twice the patch: the coarsest map is at half the tokens' resolution. Hierarchical encoders: their last stride."""
    depths = getattr(config.backbone_config, "depths", None)
    if depths and not config.is_hybrid:
        return int(patch_size(config) * 2 ** (len(depths) - 1))
    return 2 * _dpt_patch(config)


def _dpt_patch(config: Any) -> int:
    # A hybrid's tokens lie on its own patch grid; its convolutional backbone has none.
    if config.is_hybrid:
        return int(config.patch_size if isinstance(config.patch_size, int) else config.patch_size[0])
    return patch_size(config)


def _dpt_features(model: Any, pixels: Tensor) -> list[Tensor]:
    """Encoder features as DPT's neck takes them: tokens (B, 1 + h * w, C), or maps of a hierarchical backbone."""
    if model.backbone is not None:
        return list(model.backbone(pixels).feature_maps)
    if model.config.is_hybrid:
        # Only a check reads this: the hybrid refuses other sizes than its own, though its position embedding adapts.
        model.dpt.embeddings.image_size = tuple(pixels.shape[-2:])
    outputs = model.dpt(pixels, output_hidden_states=True)
    layers = list(outputs.hidden_states[1:])
    stages = list(outputs.intermediate_activations) if model.config.is_hybrid else []
    return stages + [layers[index] for index in model.config.backbone_out_indices[len(stages) :]]


def _run_dpt(model: Any, pixels: Tensor) -> Seen:
    grid = _grid(pixels, _dpt_patch(model.config))
    features = _dpt_features(model, pixels)
    fused = model.neck(features, *grid)
    return Seen(model.head(fused), [_as_map(feature, grid) for feature in features], fused[::-1])


def _dpt_taps(model: Any) -> tuple[str, ...]:
    if model.backbone is not None:
        return _backbone_taps(model)
    stages = ("stage1", "stage2") if model.config.is_hybrid else ()
    return stages + tuple(f"layer{index + 1}" for index in model.config.backbone_out_indices[len(stages) :])


def _run_glpn(model: Any, pixels: Tensor) -> Seen:
    features = list(model.glpn(pixels, output_hidden_states=True).hidden_states)
    fused = model.decoder(features)
    return Seen(model.head(fused), features, fused[::-1])


def _run_zoedepth(model: Any, pixels: Tensor) -> Seen:
    """A model with several metric heads picks one for the whole batch: its batches should be of one domain."""
    grid = _grid(pixels, patch_size(model.config))
    features = model.backbone(pixels).feature_maps
    fused, bottleneck = model.neck(features, *grid)
    relative, activation = model.relative_head(fused)
    depth, _ = model.metric_head(
        outconv_activation=activation, bottleneck=bottleneck, feature_blocks=fused, relative_depth=relative
    )
    return Seen(depth.squeeze(1), [_as_map(feature, grid) for feature in features], fused[::-1])


ARCHITECTURES: dict[str, Architecture] = {
    "depth_anything": Architecture(
        kind=_depth_anything_kind,
        max_depth=lambda config: float(config.max_depth) if config.depth_estimation_type == "metric" else None,
        multiple=patch_size,
        taps=_backbone_taps,
        run=_run_depth_anything,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
    ),
    "dpt": Architecture(
        kind=_dpt_kind,
        max_depth=lambda config: None,
        multiple=_dpt_multiple,
        taps=_dpt_taps,
        run=_run_dpt,
        mean=HALF,
        std=HALF,
    ),
    "glpn": Architecture(
        kind=lambda config: "metric_depth",
        max_depth=lambda config: float(config.max_depth),
        multiple=lambda config: 32,
        taps=lambda model: tuple(f"block{index + 1}" for index in range(model.config.num_encoder_blocks)),
        run=_run_glpn,
        mean=(0.0, 0.0, 0.0),  # GLPN's image processor does not normalise
        std=(1.0, 1.0, 1.0),
    ),
    "zoedepth": Architecture(
        kind=lambda config: "metric_depth",
        max_depth=lambda config: float(max(head["max_depth"] for head in config.bin_configurations)),
        multiple=lambda config: 2 * patch_size(config),
        taps=_backbone_taps,
        run=_run_zoedepth,
        mean=HALF,
        std=HALF,
    ),
}
"""`model_type` of config.json -> how it is used."""

REFUSED = {
    "prompt_depth_anything": "needs a depth map as a prompt beside every image",
    "chmv2": "estimates the height of tree canopies, not depth",
    "depth_pro": "gives metres only after its own post-processing with the field of view",
    "tipsv2_dpt": "does not declare whether its numbers are depth or disparity",
}
"""`model_type` -> why it cannot teach."""


def is_unused(key: str) -> bool:
    """Whether a weight takes no part in the depth, so that a checkpoint may leave it out.

    The first fusion layer has nothing to add to, mask tokens and poolers belong to pretraining.
    """
    return "fusion_stage.layers.0.residual_layer1." in key or key.endswith("mask_token") or ".pooler." in key
