"""The depth models of transformers that can teach: what their numbers mean, and where their features are.

A new `model_type` is one entry of `ARCHITECTURES`. Its depth and features come from one run of the model's own
forward, past which `recorded` picks up the features; only DPT and ZoeDepth, whose forwards are too narrow for a
teacher, have functions here that repeat them. The tests hold every depth to the upstream post-processing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from disdepth_cli.teachers.contract import IMAGENET_MEAN, IMAGENET_STD, Channels, Kind
from disdepth_cli.teachers.preprocessing import Processor
from disdepth_cli.teachers.taps import Seen, as_maps, grid, patch_size, record, recorded

HALF: Channels = (0.5, 0.5, 0.5)
ZERO: Channels = (0.0, 0.0, 0.0)
ONE: Channels = (1.0, 1.0, 1.0)


def stated_kind(config: Any) -> Kind | None:
    """What `depth_estimation_type` in config.json says: "metric", or "relative", which is disparity. None without it.

    Depth Anything's own key; any other model's config.json may state it too, and overrides the table.
    """
    kinds: dict[str, Kind] = {"metric": "metric_depth", "relative": "disparity"}
    return kinds.get(str(getattr(config, "depth_estimation_type", None)))


def _stated_max_depth(config: Any) -> float | None:
    stated = getattr(config, "max_depth", None)
    return None if stated is None else float(stated)


def _backbone_taps(model: Any) -> tuple[str, ...]:
    return tuple(model.backbone.out_features)


def has_stages(config: Any) -> bool:
    """Whether the encoder halves its resolution from stage to stage: its input is a multiple of the last stride."""
    is_hybrid = getattr(config, "is_hybrid", False)
    return is_hybrid or bool(getattr(getattr(config, "backbone_config", None), "depths", None))


def _multiple(config: Any) -> int:
    """The patch; of an encoder with stages its last stride."""
    if getattr(config, "is_hybrid", False):
        return 2 * patch_size(config)
    if has_stages(config):
        return int(patch_size(config) * 2 ** (len(config.backbone_config.depths) - 1))
    return patch_size(config)


DPT_LIKE = recorded("neck", "neck.fusion_stage")


@dataclass(frozen=True)
class Architecture:
    """One `model_type`: rules that read its config, and its forward. The defaults are those of most models.

    kind: what its numbers are; None where the config leaves it open, and the probe decides.
    max_depth: the largest depth [m] it states; asked of metric models only.
    multiple: both sides of its input are a multiple of this [pixels].
    side: side [pixels] of the one square input it takes; None where it takes any size.
    taps: names of the encoder's features, in their order.
    run: normalised pixels (B, 3, h, w) -> output and features, in one forward.
    resample: how its own post-processing brings the output to the image's size.
    finish: the output, then -> depth in the kind's numbers.
    mean, std: of its image processor, where the checkpoint has none. processor: which one transformers takes for it.
    """

    kind: Callable[[Any], Kind | None]
    max_depth: Callable[[Any], float | None] = _stated_max_depth
    multiple: Callable[[Any], int] = _multiple
    side: Callable[[Any], int | None] = lambda config: None
    taps: Callable[[Any], tuple[str, ...]] = _backbone_taps
    run: Callable[[Any, Tensor], Seen] = DPT_LIKE
    resample: Literal["bicubic", "bilinear"] = "bicubic"
    finish: Callable[[Tensor], Tensor] = lambda output: output
    mean: Channels = HALF
    std: Channels = HALF
    processor: Processor = "DPT"


def native_size(config: Any) -> tuple[int, int]:
    """Size (height, width) [pixels] the encoder was made for; 480x640 where it says nothing."""
    backbone = getattr(config, "backbone_config", None)
    size = getattr(backbone, "image_size", None) or getattr(config, "image_size", None)
    if size is None:
        return 480, 640
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _dpt_kind(config: Any) -> Kind | None:
    """MiDaS weights give disparity. DINOv2's depthers (facebook/dpt-dinov2-*), which have the extra projection, regress
    metres. The projection with another encoder is nobody's: the probe decides."""
    if not config.add_projection:
        return "disparity"
    return "metric_depth" if getattr(config.backbone_config, "model_type", None) == "dinov2" else None


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
    return stages + [layers[index] for index in _dpt_layers(model.config)]


def _dpt_layers(config: Any) -> list[int]:
    """Indices of the transformer layers that DPT's own ViT hands on; a hybrid's first two are convolutional stages."""
    return sorted(config.backbone_out_indices[2:] if config.is_hybrid else config.backbone_out_indices)


def _run_dpt(model: Any, pixels: Tensor) -> Seen:
    """Upstream takes no views but squares (its own ViT), or of its own size (the hybrid): here the neck is told."""
    features = _dpt_features(model, pixels)
    fused = model.neck(features, *grid(pixels, model.config))
    return Seen(model.head(fused), as_maps(features, pixels, model.config), fused[::-1])


def _dpt_taps(model: Any) -> tuple[str, ...]:
    if model.backbone is not None:
        return _backbone_taps(model)
    stages = ("stage1", "stage2") if model.config.is_hybrid else ()
    return stages + tuple(f"layer{index + 1}" for index in _dpt_layers(model.config))


def _run_zoedepth(model: Any, pixels: Tensor) -> Seen:
    """Upstream lets a batch vote on one of its metric heads; here every view has the head that it has alone."""
    features = model.backbone(pixels).feature_maps
    fused, bottleneck = model.neck(features, *grid(pixels, model.config))
    relative, activation = model.relative_head(fused)
    batch = len(pixels)
    several = len(model.config.bin_configurations) > 1
    views = [slice(view, view + 1) for view in range(batch)] if several else [slice(0, batch)]
    depth = [
        model.metric_head(
            outconv_activation=activation[view],
            bottleneck=bottleneck[view],
            feature_blocks=[level[view] for level in fused],
            relative_depth=relative[view],
        )[0].squeeze(1)
        for view in views
    ]
    return Seen(torch.cat(depth), as_maps(features, pixels, model.config), fused[::-1])


def _run_depth_pro(model: Any, pixels: Tensor) -> Seen:
    """Inverse depth [1/m] by each view's own field of view: the canonical inverse depth, times width / focal length.

    A model without a field of view leaves it canonical. Features finest first: the patch encoder's two early layers,
    its last at three scales, and the image encoder's last.
    """
    with record(model, "depth_pro.neck", "fusion_stage") as kept:
        seen = model(pixel_values=pixels, return_dict=True)
    inverse = seen.predicted_depth
    if seen.field_of_view is not None:
        half = torch.deg2rad(seen.field_of_view.float() / 2)
        inverse = inverse.float() * (2 * torch.tan(half)).view(-1, 1, 1)
    return Seen(inverse, kept.encoder[::-1], kept.fused[::-1])


def _depth_pro_taps(model: Any) -> tuple[str, ...]:
    layers = [f"patch-layer{index + 1}" for index in reversed(model.config.intermediate_hook_ids)]
    scales = [f"patch-scale{ratio:g}" for ratio in reversed(model.config.scaled_images_ratios)]
    return (*layers, *scales, "image")


ARCHITECTURES: dict[str, Architecture] = {
    "depth_anything": Architecture(kind=stated_kind, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    "depth_pro": Architecture(
        kind=lambda config: "metric_depth" if config.use_fov_model else "relative_depth",
        max_depth=lambda config: None,
        multiple=lambda config: 1,
        side=lambda config: round(config.patch_size / min(config.scaled_images_ratios)),
        taps=_depth_pro_taps,
        run=_run_depth_pro,
        resample="bilinear",
        finish=lambda inverse: 1 / inverse.clamp(1e-4, 1e4),
        processor="DepthPro",
    ),
    "dpt": Architecture(kind=_dpt_kind, taps=_dpt_taps, run=_run_dpt),
    "glpn": Architecture(
        kind=lambda config: "metric_depth",
        multiple=lambda config: 32,
        taps=lambda model: tuple(f"block{index + 1}" for index in range(model.config.num_encoder_blocks)),
        run=recorded("decoder", "decoder"),
        mean=ZERO,  # GLPN's image processor does not normalise
        std=ONE,
        processor="GLPN",
    ),
    "tipsv2_dpt": Architecture(
        kind=lambda config: "metric_depth", resample="bilinear", mean=ZERO, std=ONE, processor="Tipsv2Dpt"
    ),
    "zoedepth": Architecture(
        kind=lambda config: "metric_depth",
        max_depth=lambda config: float(max(head["max_depth"] for head in config.bin_configurations)),
        run=_run_zoedepth,
        processor="ZoeDepth",
    ),
}
"""`model_type` of config.json -> how it is used."""

REFUSED = {
    "prompt_depth_anything": "needs a depth map as a prompt beside every image",
    "chmv2": "estimates the height of tree canopies, not depth",
}
"""`model_type` -> why it cannot teach."""


def is_unused(key: str) -> bool:
    """Whether a weight takes no part in the depth, so that a checkpoint may leave it out.

    The first fusion layer has nothing to add to, mask tokens and poolers belong to pretraining.
    """
    first = ("fusion_stage.layers.0.residual_layer1.", "fusion_stage.intermediate.0.residual_layer1.")
    return any(layer in key for layer in first) or key.endswith("mask_token") or ".pooler." in key
