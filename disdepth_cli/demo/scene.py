"""Random furnished rooms: dimensions, furniture, paint, a lamp and a camera, all drawn from one generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from disdepth_cli.demo.geometry import Ball, Box, Camera, Material, Room, Solid, Tube, trace

FIELD_OF_VIEW = np.deg2rad(60.0)
"""Horizontal, the same in every image. Metric depth from one image needs a known focal length: twice the
focal length and twice the distance give the same picture, so a model can only learn metres for one of them."""

NEAREST, FARTHEST = 0.4, 9.9
"""Every pixel's depth lies between these [m]."""

WALL_THINGS = ("door", "window", "picture", "none")

WOODS = np.array([[0.45, 0.27, 0.13], [0.62, 0.42, 0.24], [0.28, 0.16, 0.09], [0.75, 0.58, 0.38]])


@dataclass(frozen=True)
class Scene:
    """A room and what stands in it. solids[0] is the room; lamp (3,) [m] is where the light comes from."""

    solids: list[Solid]
    room_materials: dict[str, Material]
    lamp: np.ndarray
    camera: Camera


def random_scene(random: Generator, height: int, width: int) -> Scene:
    """A furnished room with some floor in view, its every pixel between NEAREST and FARTHEST."""
    while True:
        scene = _draw_scene(random, height, width)
        depth, which = trace(scene.solids, scene.camera)
        floor = scene.camera.position[2] + scene.camera.rays()[2] * depth < 0.01
        plausible = np.median(depth) > 1.6 and floor.mean() > 0.06 and 0.06 < (which > 0).mean() < 0.75
        if plausible and depth.min() > NEAREST and depth.max() < FARTHEST:
            return scene


def _draw_scene(random: Generator, height: int, width: int) -> Scene:
    size = np.array([random.uniform(3, 9), random.uniform(3, 9), random.uniform(2.3, 3.0)])
    room = Room(size / 2, size / 2, _paint(random))
    position = np.array([*random.uniform(0.5, size[:2] - 0.5), random.uniform(1.2, 1.8)])
    # Look across the room, not into the wall behind one's back.
    towards = random.uniform(0.3, 0.7, 2) * size[:2] - position[:2]
    yaw = np.arctan2(towards[1], towards[0]) + random.normal(0, 0.35)
    focal = width / 2 / np.tan(FIELD_OF_VIEW / 2)
    camera = Camera(position, float(yaw), float(np.deg2rad(random.uniform(-24, 4))), height, width, focal)
    lamp = np.array([*random.uniform(0.3, 0.7, 2) * size[:2], size[2] - 0.25])
    shade = Material(np.ones(3), np.ones(3), glow=1.4)
    light = Tube(lamp + np.array([0, 0, 0.22]), np.array([0.16, 0.16, 0.03]), shade, casts_shadow=False)
    solids = [room, light, *_wall_things(random, size), *_furniture(random, size, camera)]
    return Scene(solids, _room_materials(random), lamp, camera)


def _room_materials(random: Generator) -> dict[str, Material]:
    floor = str(random.choice(["planks", "planks", "tiles", "checker", "noise"]))
    scale = {"planks": (0.09, 0.2), "tiles": (0.25, 0.6), "checker": (0.25, 0.6), "noise": (0.05, 0.2)}[floor]
    wall = Material(
        _pastel(random),
        _pastel(random),
        str(random.choice(["plain", "noise", "stripes", "tiles"], p=[0.45, 0.3, 0.15, 0.1])),
        random.uniform(0.15, 0.4),
    )
    white = np.full(3, random.uniform(0.75, 0.95))
    return {
        "floor": _wood(random, "planks", random.uniform(*scale))
        if floor == "planks"
        else _paint(random, floor, random.uniform(*scale)),
        "wall": wall,
        "ceiling": Material(white, white * 0.95, "noise", 0.2),
    }


def _wall_things(random: Generator, size: np.ndarray) -> list[Solid]:
    """Doors, windows and pictures: thin boxes on the walls."""
    things: list[Solid] = []
    for wall in range(4):
        length = size[1] if wall < 2 else size[0]
        for middle, kind in zip((0.27, 0.73), random.choice(WALL_THINGS, size=2), strict=True):
            along = length * middle + random.uniform(-1, 1) * max(length * 0.22 - 0.65, 0)
            if kind == "door":
                things += [_on_wall(size, wall, along, (0.45, 1.0, 1.0), _wood(random, "plain", 0.3))]
            elif kind == "window":
                glass = Material(np.array([0.8, 0.9, 1.0]), np.full(3, 0.35), "panes", 0.6, glow=1.3)
                things += [_on_wall(size, wall, along, (0.6, 0.6, 1.5), glass)]
            elif kind == "picture":
                art = Material(_paint_colour(random), _paint_colour(random), "noise", 0.12)
                half = (random.uniform(0.15, 0.4), random.uniform(0.15, 0.35), random.uniform(1.5, 1.8))
                things += [_on_wall(size, wall, along, half, art)]
    return things


def _on_wall(size: np.ndarray, wall: int, along: float, shape: tuple, material: Material) -> Solid:
    """A flat box 4 cm thick on one of four walls. shape: half width, half height, height of its middle [m]."""
    half_width, half_height, middle = shape
    across = 0.02 if wall % 2 == 0 else (size[0] if wall < 2 else size[1]) - 0.02
    if wall < 2:
        centre, half = np.array([across, along, middle]), np.array([0.02, half_width, half_height])
    else:
        centre, half = np.array([along, across, middle]), np.array([half_width, 0.02, half_height])
    return Box(centre, half, material, casts_shadow=False)


def _furniture(random: Generator, size: np.ndarray, camera: Camera) -> list[Solid]:
    """Pieces that stand on the floor without overlapping, none within 0.6 m of the camera."""
    taken = [(camera.position[:2], 0.6)]
    solids: list[Solid] = []
    makers = list(FURNITURE)
    for _ in range(int(random.integers(6, 10 + int(size[0] * size[1] / 4)))):
        make, radius, by_wall = makers[random.integers(len(makers))]
        location, yaw = _position_and_yaw(random, size, radius, by_wall)
        if all(np.hypot(*(location - other)) > (radius + room) * 0.85 for other, room in taken):
            solids += [_move(part, location, yaw) for part in make(random)]
            taken.append((location, radius))
    return solids


def _position_and_yaw(random: Generator, size: np.ndarray, radius: float, by_wall: bool) -> tuple[np.ndarray, float]:
    """Where a piece stands [m] and its yaw [rad]; a piece that belongs to a wall turns its back (-y) to it."""
    if not by_wall:
        return random.uniform(radius, np.maximum(size[:2] - radius, radius + 0.01)), random.uniform(0, 2 * np.pi)
    wall, gap = int(random.integers(4)), 0.36
    along = random.uniform(radius, max((size[1] if wall < 2 else size[0]) - radius, radius + 0.01))
    spots = [(gap, along), (size[0] - gap, along), (along, gap), (along, size[1] - gap)]
    return np.array(spots[wall]), (-np.pi / 2, np.pi / 2, 0.0, np.pi)[wall]


def _move(part: Solid, position: np.ndarray, yaw: float) -> Solid:
    """A piece's part, built around the origin, at its place in the room."""
    turned = Solid(part.centre, part.half, part.material, yaw).to_world(part.centre)
    centre = turned + np.array([*position, 0.0])
    return type(part)(centre, part.half, part.material, yaw + part.yaw, part.casts_shadow)


def _block(x: float, y: float, low: float, high: float, half: tuple[float, float], material: Material) -> Box:
    """A box over (x, y) from height `low` to `high` [m], with half width and half depth [m]."""
    thick = min(half[0], half[1], (high - low) / 2) > 0.04 or min(half) > 0.2
    middle, reach = (low + high) / 2, (high - low) / 2
    return Box(np.array([x, y, middle]), np.array([*half, reach]), material, casts_shadow=thick)


def _legs(half: tuple[float, float], top: float, material: Material) -> list[Solid]:
    corners = [(sx * (half[0] - 0.04), sy * (half[1] - 0.04)) for sx in (-1, 1) for sy in (-1, 1)]
    return [_block(x, y, 0.0, top, (0.025, 0.025), material) for x, y in corners]


def _cupboard(random: Generator) -> list[Solid]:
    half, top = (random.uniform(0.4, 0.6), 0.3), random.choice([0.8, 0.9, 1.8, 2.0])
    body = _wood(random) if random.random() < 0.6 else _paint(random)
    handle = Material(np.full(3, 0.25), np.full(3, 0.25))
    handles = [_block(x, half[1], 0.5 * top, 0.5 * top + 0.15, (0.012, 0.02), handle) for x in (-0.06, 0.06)]
    return [_block(0, 0, 0.0, top, half, body), *handles]


def _table(random: Generator) -> list[Solid]:
    half, top = (random.uniform(0.45, 0.8), random.uniform(0.35, 0.45)), random.uniform(0.71, 0.76)
    wood = _wood(random)
    solids: list[Solid] = [_block(0, 0, top - 0.04, top, half, wood), *_legs(half, top - 0.04, wood)]
    if random.random() < 0.6:
        size = random.uniform(0.06, 0.14)
        spot = np.array([random.uniform(-0.3, 0.3), random.uniform(-0.2, 0.2), top + size])
        kind = (Ball, Tube, Box)[random.integers(3)]
        solids.append(kind(spot, np.array([size * 0.8, size * 0.8, size]), _paint(random)))
    return solids


def _chair(random: Generator) -> list[Solid]:
    wood, half = _wood(random), (0.22, 0.22)
    seat, back = _block(0, 0, 0.42, 0.46, half, wood), _block(0, -0.2, 0.46, 0.92, (0.22, 0.02), wood)
    return [seat, back, *_legs(half, 0.42, wood)]


def _sofa(random: Generator) -> list[Solid]:
    cloth, width = _paint(random, "noise"), random.uniform(0.6, 1.0)
    arms: list[Solid] = [_block(x, 0, 0.0, 0.6, (0.09, 0.36), cloth) for x in (-width, width)]
    return [_block(0, 0, 0.0, 0.42, (width, 0.36), cloth), _block(0, -0.27, 0.42, 0.82, (width, 0.1), cloth), *arms]


def _floor_lamp(random: Generator) -> list[Solid]:
    metal, shade = Material(np.full(3, 0.3), np.full(3, 0.3)), _paint(random)
    pole = Tube(np.array([0, 0, 0.75]), np.array([0.02, 0.02, 0.75]), metal, casts_shadow=False)
    return [pole, Tube(np.array([0, 0, 1.55]), np.array([0.2, 0.2, 0.15]), shade)]


def _plant(random: Generator) -> list[Solid]:
    tall = random.uniform(0.25, 0.45)
    leaves = Material(np.array([0.08, 0.3, 0.08]), np.array([0.25, 0.5, 0.12]), "noise", 0.06)
    pot = Tube(np.array([0, 0, 0.17]), np.array([0.16, 0.16, 0.17]), _paint(random))
    return [pot, Ball(np.array([0, 0, 0.3 + tall]), np.array([0.27, 0.27, tall]), leaves)]


def _stool(random: Generator) -> list[Solid]:
    top = random.uniform(0.4, 0.48)
    return [Tube(np.array([0, 0, top / 2]), np.array([0.2, 0.2, top / 2]), _paint(random))]


def _toy_ball(random: Generator) -> list[Solid]:
    radius = random.uniform(0.12, 0.3)
    return [Ball(np.full(3, radius) * [0, 0, 1], np.full(3, radius), _paint(random))]


def _crate(random: Generator) -> list[Solid]:
    top = random.uniform(0.3, 0.6)
    return [_block(0, 0, 0.0, top, (random.uniform(0.2, 0.35), random.uniform(0.2, 0.3)), _paint(random))]


# How each piece is made, the radius of the floor it takes [m], and whether it stands with its back to a wall.
FURNITURE: tuple[tuple[Callable[[Generator], list[Solid]], float, bool], ...] = (
    (_cupboard, 0.65, True),
    (_cupboard, 0.65, True),
    (_sofa, 1.0, True),
    (_table, 0.8, False),
    (_table, 0.8, False),
    (_chair, 0.35, False),
    (_chair, 0.35, False),
    (_floor_lamp, 0.35, True),
    (_plant, 0.35, True),
    (_stool, 0.25, False),
    (_toy_ball, 0.3, False),
    (_crate, 0.4, False),
)


def _pastel(random: Generator) -> np.ndarray:
    return np.clip(random.uniform(0.5, 0.9) + random.normal(0, 0.07, 3), 0.2, 0.95)


def _paint_colour(random: Generator) -> np.ndarray:
    grey = random.uniform(0.08, 0.65)
    return np.clip(grey + random.normal(0, 0.12, 3), 0.02, 0.95)


def _paint(random: Generator, pattern: str | None = None, scale: float | None = None) -> Material:
    chosen = pattern or str(random.choice(["plain", "plain", "checker", "stripes", "noise"]))
    first, offset = _paint_colour(random), tuple(random.uniform(0, 50, 2))
    second = first * 0.7 if chosen == "noise" else _paint_colour(random)
    return Material(first, second, chosen, scale or random.uniform(0.05, 0.15), offset)


def _wood(random: Generator, pattern: str = "planks", scale: float | None = None) -> Material:
    colour = WOODS[random.integers(len(WOODS))] * random.uniform(0.8, 1.15)
    offset = tuple(random.uniform(0, 50, 2))
    return Material(colour, colour * 0.65, pattern, scale or random.uniform(0.2, 0.4), offset)
