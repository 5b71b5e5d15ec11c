"""Tiny random teachers, written as `save_pretrained` writes them. No test of this folder asks the network."""

from __future__ import annotations

import json
import os
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from disdepth_cli.teachers.transformers_family import _quiet

VIT = {
    "hidden_size": 24,
    "num_attention_heads": 2,
    "num_hidden_layers": 4,
    "patch_size": 14,
    "image_size": 56,
    "out_indices": [1, 2, 3, 4],
    "reshape_hidden_states": False,
}
NECK = {"neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 8}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def save(config, folder: Path, processor: dict | None = None) -> Path:
    from transformers import AutoModelForDepthEstimation

    torch.manual_seed(0)
    with _quiet():
        model = AutoModelForDepthEstimation.from_config(config)
        for name, weight in model.named_parameters():
            if weight.ndim > 1:  # upstream's small start values would give the same depth everywhere
                torch.nn.init.xavier_normal_(weight)
            if config.model_type == "dpt" and name.startswith("head."):  # and its last ReLU nothing but zeros
                weight.data.abs_()
        model.save_pretrained(folder)
    if processor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def depth_anything_config(**options):
    from transformers import DepthAnythingConfig, Dinov2Config

    backbone = Dinov2Config(**VIT)
    return DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=24, head_hidden_size=8, **NECK, **options
    )


def dpt_config(**options):
    from transformers import DPTConfig

    sizes = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 48}
    options = {**sizes, **NECK, **options}
    return DPTConfig(image_size=64, patch_size=16, backbone_out_indices=[0, 1, 2, 3], **options)


@pytest.fixture(scope="session")
def metric_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teachers") / "tiny-metric"
    processor = {"size": {"height": 238, "width": 322}, "keep_aspect_ratio": True, "ensure_multiple_of": 14}
    processor |= {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}
    save(depth_anything_config(depth_estimation_type="metric", max_depth=10), folder, processor)
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\ntags: [depth]\n---\n# Tiny\n")
    return folder


@pytest.fixture(scope="session")
def relative_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(depth_anything_config(), tmp_path_factory.mktemp("teachers") / "tiny-relative")


@pytest.fixture(scope="session")
def dpt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(dpt_config(), tmp_path_factory.mktemp("teachers") / "tiny-dpt")


@pytest.fixture(scope="session")
def hybrid_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
    shape = [1, 24, 4, 4]
    neck = {"neck_hidden_sizes": [8, 16, 16, 20], "neck_ignore_stages": [0, 1]}
    config = dpt_config(is_hybrid=True, backbone_config=bit, backbone_featmap_shape=shape, **neck)
    return save(config, tmp_path_factory.mktemp("teachers") / "tiny-hybrid")


@pytest.fixture(scope="session")
def glpn_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import GLPNConfig

    config = GLPNConfig(
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=8,
        max_depth=10,
    )
    return save(config, tmp_path_factory.mktemp("teachers") / "tiny-glpn")


@pytest.fixture(scope="session")
def zoedepth_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import BeitConfig, ZoeDepthConfig

    backbone = BeitConfig(
        **{**VIT, "patch_size": 16, "image_size": 64}, intermediate_size=48, use_relative_position_bias=True
    )
    sizes = {"bottleneck_features": 8, "bin_embedding_dim": 8, "num_relative_features": 4}
    config = ZoeDepthConfig(backbone_config=backbone, **sizes, **NECK)
    return save(config, tmp_path_factory.mktemp("teachers") / "tiny-zoedepth")


@pytest.fixture(scope="session")
def real_teacher() -> Path:
    data = Path(os.environ.get("DISDEPTH_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
    folder = data / "teachers" / "dav2s_nyu"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; DISDEPTH_TEST_DATA names the data folder")
    return folder
