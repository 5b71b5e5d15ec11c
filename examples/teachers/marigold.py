"""Marigold, a diffusion pipeline, as a teacher: depth alone, up to scale and shift, so output distillation only.

    pip install diffusers
    disdepth distill --teacher examples/teachers/marigold.py:marigold --data data.yaml --teacher-cache cache

It takes seconds an image, so it sees each whole image once, and the cache keeps what it said. The same noise for every
image makes its answer a function of the image.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from disdepth_cli.teachers import TeacherDescription

STEPS = 4


def marigold() -> TeacherDescription:
    """Marigold v1.1 with its published weights (about 4 GB), from the Hub."""
    from diffusers import MarigoldDepthPipeline

    pipeline = MarigoldDepthPipeline.from_pretrained("prs-eth/marigold-depth-v1-1")
    return describe(pipeline, licence="openrail++")


def describe(pipeline: Any, licence: str | None = None) -> TeacherDescription:
    """A Marigold pipeline for depth: 0 is near, 1 is far."""
    return TeacherDescription(
        network=Pipeline(pipeline),
        kind="relative_depth",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        size=(480, 640),
        multiple=8,
        whole=True,
        name="Marigold",
        licence=licence,
    )


class Pipeline(nn.Module):
    """image (B, 3, h, w) RGB in [0, 1] -> depth (B, 1, h, w) in [0, 1]. The pipeline's networks are a part of it, so
    that they move with it and its weights are known."""

    def __init__(self, pipeline: Any) -> None:
        super().__init__()
        pipeline.set_progress_bar_config(disable=True)
        self.pipeline = pipeline
        networks = (pipeline.unet, pipeline.vae, pipeline.text_encoder)
        self.networks = nn.ModuleList(network for network in networks if isinstance(network, nn.Module))

    def forward(self, image: Tensor) -> Tensor:
        noise = [torch.Generator("cpu").manual_seed(0) for _ in image]
        given = [
            self.pipeline(one[None], num_inference_steps=STEPS, generator=generator, output_type="pt").prediction
            for one, generator in zip(image, noise, strict=True)
        ]
        return torch.cat(given)
