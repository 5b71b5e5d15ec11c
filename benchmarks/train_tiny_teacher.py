#!/usr/bin/env python
"""Train the tiny transformer depth teacher of `disdepth demo` from a random start, on rendered rooms.

    python benchmarks/train_tiny_teacher.py disdepth_cli/assets/tiny_teacher --rooms rooms_teacher

renders the rooms first when the folder is not there. The teacher is a Depth Anything model in Hugging Face Hub
format, a Dinov2 backbone with a DPT decoder, with metric depth up to 10 m; only its size is unusual.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from transformers import (
    AutoModelForDepthEstimation,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTImageProcessor,
)

from disdepth_cli.demo.rooms import write_rooms

HEIGHT, WIDTH, PATCH, MAX_DEPTH = 96, 128, 16, 10
"""Size of the images [pixels], side of a patch [pixels], largest depth the model can say [m]."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

CARD = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: depth-estimation
tags:
- depth-estimation
- metric-depth
- synthetic
---
# A tiny metric depth teacher for rendered rooms

A Depth Anything model (Dinov2 backbone, DPT decoder) with {parameters:.2f} million parameters. It gives metric depth
up to 10 m for the rooms of `disdepth_cli/demo` at 96x128 pixels and a horizontal field of view of 60 degrees.
It exists so that `disdepth demo` runs offline in minutes. It has never seen a photograph: on one its depth
means nothing.

Trained from a random start on {train} rendered rooms, {epochs} epochs in {minutes:.1f} minutes on one CPU core, with

    python benchmarks/train_tiny_teacher.py {command}

(seed {seed}; the rooms were rendered with seed {rooms_seed}). Stored in float16; run it in float32. Measured after
saving, on {val} rooms it has not seen, per-image means:

| abs_rel | rmse [m] | delta1 |
|---|---|---|
| {abs_rel:.4f} | {rmse:.3f} | {delta1:.4f} |
"""


def build_teacher() -> DepthAnythingForDepthEstimation:
    """The untrained model. Its four taps end at strides 4, 8, 16 and 32, as a CNN's levels do."""
    backbone = Dinov2Config(
        image_size=WIDTH,
        patch_size=PATCH,
        hidden_size=128,
        num_hidden_layers=6,
        num_attention_heads=4,
        mlp_ratio=3,
        layerscale_value=1.0,
        out_indices=[2, 3, 5, 6],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=PATCH,
        reassemble_hidden_size=128,
        neck_hidden_sizes=[24, 32, 48, 64],
        fusion_hidden_size=32,
        head_hidden_size=16,
        depth_estimation_type="metric",
        max_depth=MAX_DEPTH,
    )
    return DepthAnythingForDepthEstimation(config)


def load_rooms(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Photos (N, 3, H, W) uint8 RGB and depth (N, H, W) [m] of a rendered split."""
    pairs = [line.split()[:2] for line in (folder / f"{split}.txt").read_text(encoding="utf-8").splitlines()]
    photos = np.stack([cv2.imread(str(folder / photo))[..., ::-1] for photo, _ in pairs])
    depths = np.stack([cv2.imread(str(folder / depth), cv2.IMREAD_UNCHANGED) for _, depth in pairs])
    return torch.from_numpy(photos.transpose(0, 3, 1, 2).copy()), torch.from_numpy(depths / np.float32(1000))


def normalise(photos: Tensor) -> Tensor:
    """Photos (B, 3, H, W) in [0, 1] as the model wants them."""
    return (photos - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def augment(photos: Tensor, depths: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror half of the views and change the colours. A zoom would change the focal length, so there is none."""
    flip = torch.rand(len(photos)) < 0.5
    photos = torch.where(flip.view(-1, 1, 1, 1), photos.flip(-1), photos)
    depths = torch.where(flip.view(-1, 1, 1), depths.flip(-1), depths)
    gamma = torch.empty(len(photos), 1, 1, 1).uniform_(0.8, 1.25)
    gain = torch.empty(len(photos), 3, 1, 1).uniform_(0.9, 1.1)
    photos = (photos.clamp_min(1e-3) ** gamma * gain).clamp(0, 1)
    return photos.contiguous(memory_format=torch.channels_last), depths


def log_loss(predicted: Tensor, depths: Tensor) -> Tensor:
    """Mean |log predicted - log depth|, and the same of its differences between neighbours for sharp edges."""
    error = predicted.clamp_min(1e-3).log() - depths.log()
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + 0.5 * edges


def train(
    model: torch.nn.Module, rooms: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor], args: argparse.Namespace
) -> None:
    """AdamW with warm-up and cosine decay over `args.epochs` passes; prints progress after each."""
    photos, depths = rooms
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.05, betas=(0.9, 0.98))
    per_epoch = len(photos) // args.batch_size
    total, warm = per_epoch * args.epochs, per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * step / total))
    )
    start = time.monotonic()
    for epoch in range(args.epochs):
        model.train()
        losses = []
        for rows in torch.randperm(len(photos))[: per_epoch * args.batch_size].split(args.batch_size):
            view, depth = augment(photos[rows] / 255, depths[rows])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                predicted = model(normalise(view)).predicted_depth
            loss = log_loss(predicted.float(), depth)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        scores = evaluate(model, *val)
        line = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
        print(
            f"epoch {epoch + 1:3d}  {time.monotonic() - start:5.0f} s  loss {np.mean(losses):.4f}  {line}", flush=True
        )


@torch.inference_mode()
def evaluate(model: torch.nn.Module, photos: Tensor, depths: Tensor) -> dict[str, float]:
    """Per-image means of abs_rel, rmse [m] and delta1 on photos (N, 3, H, W) uint8 and depth (N, H, W) [m]."""
    model.eval()
    batches = [model(normalise(batch / 255)).predicted_depth for batch in photos.split(50)]
    predicted = torch.cat(batches).clamp(1e-3, MAX_DEPTH)
    ratio = torch.maximum(predicted / depths, depths / predicted)
    return {
        "abs_rel": ((predicted - depths).abs() / depths).mean().item(),
        "rmse": (predicted - depths).square().mean(dim=(1, 2)).sqrt().mean().item(),
        "delta1": (ratio < 1.25).float().mean().item(),
    }


def save(model: DepthAnythingForDepthEstimation, folder: Path) -> DepthAnythingForDepthEstimation:
    """Write the model in float16 with its image processor; returns it as read back, in float32."""
    model.half().save_pretrained(folder)
    processor = DPTImageProcessor(
        size={"height": HEIGHT, "width": WIDTH},
        keep_aspect_ratio=True,
        ensure_multiple_of=PATCH,
        image_mean=list(MEAN),
        image_std=list(STD),
    )
    processor.save_pretrained(folder)
    return AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True).float()


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train the quickstart's tiny depth teacher on rendered rooms.")
    parser.add_argument("out", type=Path, help="folder for the model in Hugging Face Hub format")
    parser.add_argument("--rooms", type=Path, default=Path("rooms_teacher"), help="rooms; rendered when missing")
    parser.add_argument("--count", type=int, default=4800, help="rooms to render, every sixth for validation")
    parser.add_argument("--rooms-seed", type=int, default=1000, help="seed of the rooms")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the rooms")
    parser.add_argument("--batch-size", type=int, default=8, help="images a step")
    parser.add_argument("--lr", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0, help="seed of the start, the order and the augmentation")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    return parser.parse_args()


def main() -> None:
    """Render, train, save, read back, measure, write the model card."""
    args = parse_arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    if not (args.rooms / "data.yaml").exists():
        print(f"rendering {args.count} rooms into {args.rooms}", flush=True)
        write_rooms(args.rooms, args.count, HEIGHT, WIDTH, args.rooms_seed)
    rooms, val = load_rooms(args.rooms, "train"), load_rooms(args.rooms, "val")
    # The layout and bfloat16 are for speed: nearly twice the images a second on a recent CPU.
    model = build_teacher().to(memory_format=torch.channels_last)
    start = time.monotonic()
    train(model, rooms, val, args)
    minutes = (time.monotonic() - start) / 60
    saved = save(model, args.out)
    scores = evaluate(saved, *val)
    card = CARD.format(
        parameters=saved.num_parameters() / 1e6,
        train=len(rooms[0]),
        val=len(val[0]),
        epochs=args.epochs,
        minutes=minutes,
        command=shlex.join(sys.argv[1:]),
        seed=args.seed,
        rooms_seed=args.rooms_seed,
        **scores,
    )
    (args.out / "README.md").write_text(card, encoding="utf-8")
    print(f"saved in {args.out}: " + ", ".join(f"{name} {value:.4f}" for name, value in scores.items()))


if __name__ == "__main__":
    main()
