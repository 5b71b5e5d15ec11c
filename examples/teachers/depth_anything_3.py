"""Depth Anything 3 as a teacher in metres.

    pip install --no-deps depth-anything-3            # it asks for numpy<2 and xformers, which depth does not need
    pip install --no-deps addict omegaconf antlr4-python3-runtime einops
    disdepth acclimate --teacher examples/teachers/depth_anything_3.py:metric_large --data data.yaml --dry-run

The metric network gives depth for a focal length of 300 pixels: metres = output x focal / 300, the focal length in
pixels of its input. So your lists or data.yaml must state focal lengths.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from disdepth_cli.teachers import TeacherDescription

REPOSITORY = "depth-anything/DA3METRIC-LARGE"


def metric_large() -> TeacherDescription:
    """DA3METRIC-LARGE with its published weights (1.3 GB), from the Hub."""
    from depth_anything_3.cfg import create_object, load_config
    from depth_anything_3.registry import MODEL_REGISTRY
    from huggingface_hub import hf_hub_download
    from safetensors.torch import load_file

    network = create_object(load_config(MODEL_REGISTRY["da3metric-large"]))
    weights = load_file(Path(hf_hub_download(REPOSITORY, "model.safetensors")))
    network.load_state_dict({name.removeprefix("model."): value for name, value in weights.items()}, strict=True)
    return describe(network, licence="apache-2.0")


def describe(network: nn.Module, licence: str | None = None) -> TeacherDescription:
    """A metric network of Depth Anything 3: its taps are the blocks that its head reads."""
    layers: list[int] = list(network.backbone.out_layers)  # type: ignore[union-attr,arg-type]
    return TeacherDescription(
        network=OneByOne(network),
        kind="metric_depth",
        taps=[f"network.backbone.pretrained.blocks.{layer}" for layer in layers],
        input=lambda pixels, focal: pixels,
        output=lambda depth, focal: depth * focal.view(-1, 1, 1) / 300,
        size=(378, 504),  # as its own code: the longer side has 504 pixels
        multiple=14,
        focal=True,
        licence=licence,
    )


class OneByOne(nn.Module):
    """The network takes several images for views of one scene, and sets their skies together: here each is alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        given: list[Any] = [self.network(image[None, None]) for image in pixels]  # (1, 1, 3, h, w) each
        return torch.cat([one["depth"][:, 0] for one in given])
