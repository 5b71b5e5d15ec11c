"""Render furnished rooms with exact depth, as a data set that disdepth reads.

    python -m disdepth_cli.demo.rooms rooms --count 240 --size 96x128 --seed 0

writes rooms/rgb/*.png, rooms/depth/*.png (uint16, planar depth [mm]), train.txt, val.txt (`rgb depth focal` a
line, focal length in pixels) and data.yaml. Every image is a room of its own, so no room is in both lists. The
same arguments give the same files.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator, default_rng

from disdepth_cli.demo.geometry import Material, trace
from disdepth_cli.demo.scene import FIELD_OF_VIEW, Scene, random_scene
from disdepth_cli.files import disk_errors

DATA_YAML = """\
# Rendered by python -m disdepth_cli.demo.rooms --count {count} --size {height}x{width} --seed {seed}
path: .
train: train.txt
val: val.txt
depth_scale: 1000
min_depth: 0.001
max_depth: 10.0
protocol: plain
"""
SUPERSAMPLING = 2
NOISE_TABLE = default_rng(1234).random((64, 64))


def render(scene: Scene, random: Generator) -> tuple[np.ndarray, np.ndarray]:
    """The photo (H, W, 3) uint8 RGB and the planar depth at the pixel centres (H, W) [m] of one scene."""
    depth, _ = trace(scene.solids, scene.camera)
    height, width, factor = scene.camera.height, scene.camera.width, SUPERSAMPLING
    fine = replace(scene.camera, height=height * factor, width=width * factor, focal=scene.camera.focal * factor)
    light = _radiance(replace(scene, camera=fine))
    light = light.reshape(3, height, factor, width, factor).mean(axis=(2, 4))
    # Auto exposure, a white balance that is slightly off, the sensor's noise, then gamma.
    light *= random.uniform(0.85, 1.15) * 0.42 / np.median(light) * random.uniform(0.92, 1.08, (3, 1, 1))
    light += random.normal(0, random.uniform(0.004, 0.015), light.shape) * np.sqrt(np.maximum(light, 0.05) / 0.4)
    light = light / (1 + 0.35 * np.maximum(light, 0))
    photo = np.clip(light * 1.15, 0, 1) ** (1 / 2.2)
    return np.ascontiguousarray((photo * 255).round().astype(np.uint8).transpose(1, 2, 0)), depth


def _radiance(scene: Scene) -> np.ndarray:
    """Light (3, H, W) that reaches each pixel: Lambert shading of one lamp with shadows, and an ambient part."""
    depth, which = trace(scene.solids, scene.camera, np.float32)
    points = scene.camera.position.astype(np.float32)[:, None, None] + scene.camera.rays() * depth
    points = points.reshape(3, -1).astype(np.float32)
    owner = which.reshape(-1)
    result = np.empty_like(points)
    lit = ~_in_shadow(scene, points)
    for index in np.unique(owner):
        hits = np.flatnonzero(owner == index)
        normal, u, v = scene.solids[index].surface(points[:, hits])
        if index == 0:
            albedo, glow = _room_albedo(scene, normal, u, v), 0.0
        else:
            material = scene.solids[index].material
            albedo, glow = _albedo(material, u, v), material.glow
        result[:, hits] = albedo * (glow + (1 - min(glow, 1)) * _lambert(scene, points[:, hits], normal, lit[hits]))
    return result.reshape(3, *depth.shape)


def _in_shadow(scene: Scene, points: np.ndarray) -> np.ndarray:
    """Whether something stands between the lamp and each point (3, N)."""
    lamp = scene.lamp.astype(np.float32)
    rays = points - lamp[:, None]
    shadow = np.zeros(points.shape[1], dtype=bool)
    for solid in scene.solids[1:]:
        if solid.casts_shadow:
            shadow |= solid.first_hit(lamp, rays) < 0.995
    return shadow


def _lambert(scene: Scene, points: np.ndarray, normal: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """Light that falls on points (3, N): the lamp's with a hint of falloff, and an ambient that fades in corners."""
    ray = scene.lamp[:, None] - points
    distance = np.linalg.norm(ray, axis=0)
    facing = np.maximum((ray * normal).sum(axis=0) / distance, 0)
    direct = lit * facing * 1.6 / (1 + 0.12 * distance**2)
    room = scene.solids[0].half * 2
    gap = np.minimum(points, room[:, None] - points) + 0.35 * np.abs(normal)
    corner = np.prod(0.65 + 0.35 * np.clip(gap / 0.35, 0, 1), axis=0)
    return direct + 0.4 * corner * (1 + 0.06 * normal[2])


def _room_albedo(scene: Scene, normal: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Colour (3, N) of the room's own surfaces: floor, ceiling or wall by their normal; with a skirting board."""
    materials = scene.room_materials
    floor, ceiling = normal[2] > 0.5, normal[2] < -0.5
    albedo = np.where(floor, _albedo(materials["floor"], u, v), _albedo(materials["wall"], u, v))
    albedo = np.where(ceiling, _albedo(materials["ceiling"], u, v), albedo)
    skirting = ~floor & ~ceiling & (v + scene.solids[0].half[2] < 0.09)
    return np.where(skirting, 0.8 * materials["ceiling"].colour[:, None], albedo)


def _albedo(material: Material, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Colour (3, N), linear RGB, of a material at texture coordinates u, v (N,) [m]."""
    u, v = u / material.scale + material.offset[0], v / material.scale + material.offset[1]
    blend = PATTERNS[material.pattern](u, v)
    return material.colour[:, None] * (1 - blend) + material.second[:, None] * blend


def _plain(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.zeros_like(u)


def _checker(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return ((np.floor(u) + np.floor(v)) % 2) * 0.9


def _stripes(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (np.floor(u) % 2) * 0.6


def _tiles(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Tiles of slightly different tones with joints between them."""
    joint = (u % 1 < 0.06) | (v % 1 < 0.06)
    return np.where(joint, 0.9, 0.25 * _cell(np.floor(u), np.floor(v)))


def _panes(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return ((np.abs(u) < 0.05) | (np.abs(v) < 0.05)).astype(u.dtype)


def _planks(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Boards eight times as long as wide, each of its own tone, with grain along them."""
    row = np.floor(v)
    along = u / 8 + _cell(row, row)
    joint = (v % 1 < 0.07) | (along % 1 < 0.01)
    return np.where(joint, 1.0, 0.5 * _cell(np.floor(along), row) + 0.4 * _noise(u * 0.5, v * 5))


def _noise(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Smooth random blotches in [0, 1], one a unit."""
    left, low = np.floor(u), np.floor(v)
    x, y = u - left, v - low
    x, y = x * x * (3 - 2 * x), y * y * (3 - 2 * y)
    below = _cell(left, low) * (1 - x) + _cell(left + 1, low) * x
    above = _cell(left, low + 1) * (1 - x) + _cell(left + 1, low + 1) * x
    return below * (1 - y) + above * y


def _cell(column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """A random number in [0, 1) for each cell of an endless grid that repeats every 64."""
    return NOISE_TABLE[column.astype(np.int64) % 64, row.astype(np.int64) % 64]


PATTERNS = {
    "plain": _plain,
    "checker": _checker,
    "stripes": _stripes,
    "tiles": _tiles,
    "panes": _panes,
    "planks": _planks,
    "noise": _noise,
}


def room(seed: int, split: int, index: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Photo (H, W, 3) uint8 RGB and depth (H, W) uint16 [mm] of room `index` of a split (0: train, 1: val)."""
    random = default_rng([seed, split, index])
    photo, depth = render(random_scene(random, height, width), random)
    return photo, (depth * 1000).round().astype(np.uint16)


def write_rooms(folder: Path, count: int, height: int, width: int, seed: int) -> None:
    """Render `count` rooms into `folder`; every sixth, at least one, is for validation.

    Raises:
        DisdepthError: the disk is full, or the folder cannot be written.
    """
    with disk_errors(folder):
        _write_rooms(folder, count, height, width, seed)


def _write_rooms(folder: Path, count: int, height: int, width: int, seed: int) -> None:
    val = max(count // 6, 1)
    focal = width / 2 / np.tan(FIELD_OF_VIEW / 2)
    (folder / "rgb").mkdir(parents=True, exist_ok=True)
    (folder / "depth").mkdir(exist_ok=True)
    number = 0
    for split, (name, size) in enumerate({"train": count - val, "val": val}.items()):
        lines = []
        for index in range(size):
            number += 1
            photo, depth = room(seed, split, index, height, width)
            stem = f"{number:04d}.png"
            cv2.imwrite(str(folder / "rgb" / stem), photo[..., ::-1])
            cv2.imwrite(str(folder / "depth" / stem), depth)
            lines.append(f"rgb/{stem} depth/{stem} {focal:.4f}\n")
        (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    text = DATA_YAML.format(count=count, height=height, width=width, seed=seed)
    (folder / "data.yaml").write_text(text, encoding="utf-8")


def main() -> None:
    """Read the command line, render, say what was written."""
    parser = argparse.ArgumentParser(description="Render furnished rooms with exact depth.")
    parser.add_argument("out", type=Path, help="folder for rgb/, depth/, train.txt, val.txt and data.yaml")
    parser.add_argument("--count", type=int, default=240, help="number of images, every sixth for validation")
    parser.add_argument("--size", default="96x128", help="HEIGHTxWIDTH of the images [pixels]")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other rooms")
    args = parser.parse_args()
    height, width = (int(side) for side in args.size.lower().split("x"))
    if args.count < 2:
        parser.error("--count must be at least 2: one room to train on and one to validate on")
    write_rooms(args.out, args.count, height, width, args.seed)
    print(f"{args.count} rooms of {height}x{width} pixels in {args.out}")


if __name__ == "__main__":
    main()
