"""Tiny random teachers, written as `save_pretrained` writes them. No test of this folder asks the network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from disdepth_cli.teachers import DepthTeacher, load_teacher
from disdepth_cli.teachers.transformers_family import quiet

VIT = {
    "hidden_size": 24,
    "num_attention_heads": 2,
    "num_hidden_layers": 4,
    "patch_size": 14,
    "image_size": 56,
    "out_indices": [1, 2, 3, 4],
    "reshape_hidden_states": False,
}
BEIT = {**VIT, "patch_size": 16, "image_size": 64, "intermediate_size": 48, "use_relative_position_bias": True}
SWIN = {
    "embed_dim": 8,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 1, 2, 2],
    "window_size": 4,
    "patch_size": 4,
    "image_size": 64,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}
NECK = {"neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 8}
SWIN_NECK = {"neck_hidden_sizes": [8, 16, 32, 64], "fusion_hidden_size": 8}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def save(config, folder: Path, processor: dict | None = None) -> Path:
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    torch.manual_seed(0)
    with quiet():
        model = AutoModelForDepthEstimation.from_config(config)
        for name, weight in model.named_parameters():
            if weight.ndim > 1:  # upstream's small start values would give the same depth everywhere
                torch.nn.init.xavier_normal_(weight)
            if config.model_type in ("dpt", "depth_pro") and name.startswith("head."):
                weight.data.abs_()  # or the last ReLU would leave nothing but zeros
                if weight.ndim == 1:
                    weight.data.fill_(0.2)
            if name == "fov_model.head.layers.4.bias":
                weight.data.fill_(55.0)  # degrees
        model.save_pretrained(folder)
        if processor is not None:
            (folder / "preprocessor_config.json").write_text(json.dumps(processor))
            # The whole file, as the processor itself writes it.
            AutoImageProcessor.from_pretrained(folder).save_pretrained(folder)
    return folder


def depth_anything_config(**options):
    from transformers import DepthAnythingConfig, Dinov2Config

    options = {"backbone_config": Dinov2Config(**VIT), "patch_size": 14, **options}
    return DepthAnythingConfig(reassemble_hidden_size=24, head_hidden_size=8, **NECK, **options)


def dpt_config(**options):
    from transformers import DPTConfig

    sizes = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 48}
    options = {**sizes, **NECK, "backbone_out_indices": [0, 1, 2, 3], **options}
    return DPTConfig(image_size=64, patch_size=16, **options)


def hybrid_config():
    from transformers import BitConfig

    bit = BitConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 24],
        depths=[1, 1, 1],
        layer_type="bottleneck",
        global_padding="same",
        embedding_dynamic_padding=True,
        num_groups=4,
        out_features=["stage1", "stage2", "stage3"],
    )
    neck = {"neck_hidden_sizes": [8, 16, 16, 20], "neck_ignore_stages": [0, 1]}
    return dpt_config(is_hybrid=True, backbone_config=bit, backbone_featmap_shape=[1, 24, 4, 4], **neck)


def projection_config(**options):
    # The extra projection has 256 channels, whatever the config says.
    return dpt_config(**{**options, "add_projection": True, "fusion_hidden_size": 256})


def glpn_config():
    from transformers import GLPNConfig

    sizes = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2]}
    return GLPNConfig(**sizes, decoder_hidden_size=8, max_depth=10)


def zoedepth_config(backbone_config=None, several: bool = False, **options):
    from transformers import BeitConfig, ZoeDepthConfig

    sizes = {"bottleneck_features": 8, "bin_embedding_dim": 8, "num_relative_features": 4, **NECK, **options}
    if several:
        ends = {"nyu": 10.0, "kitti": 80.0}
        sizes["bin_configurations"] = [
            {"name": name, "n_bins": 16, "min_depth": 0.001, "max_depth": end} for name, end in ends.items()
        ]
        # 128 and 4 are written into upstream's code.
        sizes |= {"num_patch_transformer_layers": 4, "patch_transformer_hidden_size": 128}
        sizes |= {"patch_transformer_intermediate_size": 32, "patch_transformer_num_attention_heads": 4}
    return ZoeDepthConfig(backbone_config=backbone_config or BeitConfig(**BEIT), **sizes)


def depth_pro_config(patch: int = 8, **options):
    from transformers import DepthProConfig, Dinov2Config

    encoder = {"hidden_size": 24, "num_attention_heads": 2, "num_hidden_layers": 4}
    encoder |= {"patch_size": patch, "image_size": 32}
    encoders = {f"{part}_model_config": Dinov2Config(**encoder) for part in ("image", "patch", "fov")}
    return DepthProConfig(
        patch_size=32,
        fusion_hidden_size=16,
        intermediate_hook_ids=[2, 0],
        intermediate_feature_dims=[16, 16],
        scaled_images_feature_dims=[24, 20, 16],
        merge_padding_value=1,
        **{"use_fov_model": True, **options},
        **encoders,
    )


def tipsv2_config():
    from transformers import AutoConfig

    backbone = AutoConfig.for_model("tipsv2_vision_model", **VIT)
    return AutoConfig.for_model("tipsv2_dpt", backbone_config=backbone, num_depth_bins=16, max_depth=8.0, **NECK)


def with_backbone(make: Callable, backbone: str, **options):
    import transformers

    sizes = {"Dinov2Config": VIT, "BeitConfig": BEIT}.get(backbone, SWIN)
    return make(backbone_config=getattr(transformers, backbone)(**sizes), **options)


def processor(kind: str, height: int, width: int, **options) -> dict:
    return {"image_processor_type": f"{kind}ImageProcessor", "size": {"height": height, "width": width}, **options}


METRIC = processor("DPT", 238, 322, keep_aspect_ratio=True, ensure_multiple_of=14)
METRIC |= {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}

MODELS: dict[str, tuple[Callable, dict | None]] = {
    "metric": (lambda: depth_anything_config(depth_estimation_type="metric", max_depth=10), METRIC),
    "relative": (depth_anything_config, None),
    "relative-beit": (
        lambda: with_backbone(depth_anything_config, "BeitConfig", patch_size=16),
        processor("DPT", 64, 96),
    ),
    "dpt": (dpt_config, processor("DPT", 64, 64)),
    "hybrid": (hybrid_config, processor("DPT", 64, 64)),
    "dpt-beit": (lambda: with_backbone(dpt_config, "BeitConfig"), processor("DPT", 64, 96)),
    "dpt-swinv2": (lambda: with_backbone(dpt_config, "Swinv2Config", **SWIN_NECK), processor("DPT", 64, 96)),
    "dpt-swin": (lambda: with_backbone(dpt_config, "SwinConfig", **SWIN_NECK), None),
    "dpt-dinov2": (lambda: with_backbone(dpt_config, "Dinov2Config"), processor("DPT", 84, 112)),
    "dpt-dinov2-metric": (lambda: with_backbone(projection_config, "Dinov2Config"), processor("DPT", 84, 112)),
    "dpt-projection": (projection_config, None),
    "depth-pro": (depth_pro_config, processor("DepthPro", 128, 128)),
    # As the published one, whose output is as large as its input.
    "depth-pro-16": (lambda: depth_pro_config(patch=16), processor("DepthPro", 128, 128)),
    "depth-pro-no-fov": (lambda: depth_pro_config(use_fov_model=False), None),
    "glpn": (glpn_config, {"image_processor_type": "GLPNImageProcessor"}),
    "tipsv2": (tipsv2_config, processor("Tipsv2Dpt", 84, 112)),
    "zoedepth": (zoedepth_config, processor("ZoeDepth", 64, 96)),
    "zoedepth-swinv2": (
        lambda: with_backbone(zoedepth_config, "Swinv2Config", **SWIN_NECK),
        processor("ZoeDepth", 64, 96, ensure_multiple_of=32),
    ),
    "zoedepth-nk": (lambda: zoedepth_config(several=True), processor("ZoeDepth", 64, 96)),
}
"""Name -> how its config is made, and what its image processor's file says."""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder `tiny-NAME` of one of MODELS, written once."""
    root = tmp_path_factory.mktemp("teachers")

    def folder(name: str) -> Path:
        path = root / f"tiny-{name}"
        if not path.is_dir():
            make, options = MODELS[name]
            save(make(), path, options)
        return path

    return folder


@pytest.fixture(scope="session")
def loaded(tiny: Callable[[str], Path]) -> Callable[[str], DepthTeacher]:
    """One of MODELS as a teacher, loaded once: for tests that leave it as it is."""
    teachers: dict[str, DepthTeacher] = {}

    def teacher(name: str) -> DepthTeacher:
        if name not in teachers:
            teachers[name] = load_teacher(str(tiny(name)))
        return teachers[name]

    return teacher


@pytest.fixture(scope="session")
def metric_folder(tiny: Callable[[str], Path]) -> Path:
    folder = tiny("metric")
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\ntags: [depth]\n---\n# Tiny\n")
    return folder


@pytest.fixture(scope="session")
def relative_folder(tiny: Callable[[str], Path]) -> Path:
    return tiny("relative")


@pytest.fixture(scope="session")
def dpt_folder(tiny: Callable[[str], Path]) -> Path:
    return tiny("dpt")


@pytest.fixture(scope="session")
def real_teacher(real_data: Path) -> Path:
    return real_data / "teachers" / "dav2s_nyu"
