"""A depth model of transformers whose encoder is timm's, and takes images of one size only."""

from __future__ import annotations

from pathlib import Path

import pytest

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.transformers_family import quiet


def test_a_timm_backbone_that_refuses_other_sizes_is_one_line(tmp_path: Path) -> None:
    from transformers import AutoModelForDepthEstimation, DPTConfig, TimmBackboneConfig

    backbone = TimmBackboneConfig(
        backbone="vit_tiny_patch16_224", out_indices=[2, 5, 8, 11], use_pretrained_backbone=False, features_only=True
    )
    sizes = {"neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 8, "reassemble_factors": [1, 1, 1, 1]}
    with quiet():
        AutoModelForDepthEstimation.from_config(DPTConfig(backbone_config=backbone, **sizes)).save_pretrained(tmp_path)
    with pytest.raises(TeacherError, match=r"dpt with timm_backbone fails on a test image.*Input height") as error:
        load_teacher(str(tmp_path))
    assert "\n" not in str(error.value)
