"""Solids and rays for the rendered rooms: where a ray meets a box, a ball or an upright tube.

World axes: x and y along the floor, z up, all in metres. A ray is origin + t * direction. Rays of the camera
have a length of one along the optical axis, so t is at once the planar depth [m].
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

NEAR = 1e-4
"""Hits closer than this along a ray are not counted, in units of t."""


@dataclass(frozen=True)
class Material:
    """Paint of a surface. Colours are linear RGB in [0, 1]; `scale` is the size of one pattern cell [m]."""

    colour: np.ndarray
    second: np.ndarray
    pattern: str = "plain"
    scale: float = 0.3
    offset: tuple[float, float] = (0.0, 0.0)
    glow: float = 0.0


@dataclass(frozen=True)
class Solid:
    """A convex solid: centre and half size [m], turned by `yaw` [rad] about the vertical axis."""

    centre: np.ndarray
    half: np.ndarray
    material: Material
    yaw: float = 0.0
    casts_shadow: bool = True

    def to_local(self, vectors: np.ndarray) -> np.ndarray:
        """World vectors (3, ...) in the solid's own axes."""
        cos, sin = float(np.cos(self.yaw)), float(np.sin(self.yaw))
        x, y, z = vectors
        return np.stack([cos * x + sin * y, cos * y - sin * x, z])

    def to_world(self, vectors: np.ndarray) -> np.ndarray:
        """The solid's own vectors (3, ...) in world axes."""
        cos, sin = float(np.cos(self.yaw)), float(np.sin(self.yaw))
        x, y, z = vectors
        return np.stack([cos * x - sin * y, sin * x + cos * y, z])

    def corners(self) -> np.ndarray:
        """The eight corners (3, 8) of the bounding box, in world axes [m]."""
        signs = np.array(list(product((-1, 1), repeat=3)), dtype=float).T
        return self.to_world(signs * self.half[:, None]) + self.centre[:, None]

    def first_hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """t (...) at which rays (3, ...) from one origin (3,) enter the solid; infinite where they miss."""
        enter, leave = self.inside(self.to_local(origin - self.centre), self.to_local(rays))
        return np.where((enter < leave) & (enter > NEAR), enter, np.inf)

    def inside(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The interval of t that lies inside the solid, in its own axes; empty where the ray misses."""
        raise NotImplementedError

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Outward normal (3, N) in world axes and texture coordinates u, v (N,) [m] of points (3, N) on it."""
        raise NotImplementedError


class Box(Solid):
    """A box."""

    def inside(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        spans = [_slab(origin[axis], rays[axis], self.half[axis]) for axis in range(3)]
        enter = np.maximum(np.maximum(spans[0][0], spans[1][0]), spans[2][0])
        return enter, np.minimum(np.minimum(spans[0][1], spans[1][1]), spans[2][1])

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        local = self.to_local(points - self.centre[:, None])
        axis = np.argmax(np.abs(local) / self.half[:, None], axis=0)
        column = np.arange(local.shape[1])
        normal = np.zeros_like(local)
        normal[axis, column] = np.sign(local[axis, column])
        u = np.where(axis == 0, local[1], local[0])
        v = np.where(axis == 2, local[1], local[2])
        return self.to_world(normal), u, v


class Room(Box):
    """A box seen from the inside: rays hit where they leave it."""

    def first_hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        return self.inside(origin - self.centre, rays)[1]

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        normal, u, v = super().surface(points)
        return -normal, u, v


class Ball(Solid):
    """An ellipsoid that fills its bounding box."""

    def inside(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        half = self.half.astype(rays.dtype)
        return _round(origin / half, rays / half.reshape(-1, *[1] * (rays.ndim - 1)))

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        local = self.to_local(points - self.centre[:, None])
        normal = self.to_world(local / self.half[:, None] ** 2)
        angle = np.arctan2(local[1], local[0]) * self.half[0]
        return normal / np.linalg.norm(normal, axis=0), angle, local[2]


class Tube(Solid):
    """An upright cylinder with lids."""

    def inside(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        half = self.half.astype(rays.dtype)
        low, high = _slab(origin[2], rays[2], self.half[2])
        enter, leave = _round(origin[:2] / half[:2], rays[:2] / half[0])
        return np.maximum(enter, low), np.minimum(leave, high)

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        local = self.to_local(points - self.centre[:, None])
        lid = np.abs(local[2]) / self.half[2] > np.hypot(local[0], local[1]) / self.half[0]
        radius = np.hypot(local[0], local[1]) + NEAR
        side = np.stack([local[0] / radius, local[1] / radius, np.zeros_like(radius)])
        up = np.stack([np.zeros_like(radius), np.zeros_like(radius), np.sign(local[2])])
        u = np.where(lid, local[0], np.arctan2(local[1], local[0]) * self.half[0])
        return self.to_world(np.where(lid, up, side)), u, np.where(lid, local[1], local[2])


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without roll. position [m]; yaw, pitch [rad], a negative pitch looks down; focal [pixels].

    The principal point is the middle of the image; the centre of pixel (row, column) is at (row + 0.5, column + 0.5).
    """

    position: np.ndarray
    yaw: float
    pitch: float
    height: int
    width: int
    focal: float

    def axes(self) -> np.ndarray:
        """Rows: right, down, forward in world axes (3, 3)."""
        cos_yaw, sin_yaw, cos, sin = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        forward = np.array([cos_yaw * cos, sin_yaw * cos, sin])
        right = np.array([sin_yaw, -cos_yaw, 0.0])
        return np.stack([right, np.cross(forward, right), forward])

    def rays(self) -> np.ndarray:
        """Directions (3, H, W) of the pixel centres; the component along the optical axis is one."""
        x = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        y = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal
        right, down, forward = self.axes()[:, :, None, None]
        return right * x[None, None, :] + down * y[None, :, None] + forward

    def window(self, corners: np.ndarray) -> tuple[slice, slice]:
        """Rows and columns that can see a convex solid with these corners (3, N); all when it is beside us."""
        x, y, depth = self.axes() @ (corners - self.position[:, None])
        if depth.max() < NEAR:
            return slice(0, 0), slice(0, 0)
        if depth.min() < 0.05:
            return slice(None), slice(None)
        column, row = x / depth * self.focal + self.width / 2, y / depth * self.focal + self.height / 2
        return _span(row, self.height), _span(column, self.width)


def trace(solids: list[Solid], camera: Camera, dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray]:
    """Planar depth (H, W) [m] of what each pixel centre sees, and which solid it is (H, W), an index."""
    origin: np.ndarray = camera.position.astype(dtype)
    rays: np.ndarray = camera.rays().astype(dtype)
    depth: np.ndarray = np.full(rays.shape[1:], np.inf, dtype=dtype)
    which = np.zeros(rays.shape[1:], dtype=np.int64)
    for index, solid in enumerate(solids):
        window = camera.window(solid.corners())
        hit = solid.first_hit(origin, rays[:, window[0], window[1]])
        closer = hit < depth[window]
        depth[window] = np.where(closer, hit, depth[window])
        which[window] = np.where(closer, index, which[window])
    return depth, which


def _slab(origin: np.ndarray, ray: np.ndarray, half: float) -> tuple[np.ndarray, np.ndarray]:
    """The interval of t with |origin + t * ray| <= half, for one axis."""
    inverse = 1 / np.where(np.abs(ray) < 1e-9, 1e-9, ray)
    middle, reach = -origin * inverse, half * np.abs(inverse)
    return middle - reach, middle + reach


def _round(origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of t inside the unit circle or sphere; empty (t, t) or negative where the ray misses."""
    square = (rays * rays).sum(axis=0)
    middle = -(rays * origin.reshape(-1, *[1] * (rays.ndim - 1))).sum(axis=0) / square
    root = middle * middle - ((origin * origin).sum() - 1) / square
    reach = np.sqrt(np.maximum(root, 0))
    return middle - reach, middle + reach


def _span(values: np.ndarray, size: int) -> slice:
    """Indices of the pixels between the smallest and the largest value, inside an image side of `size`."""
    first, last = np.clip([np.floor(values.min()), np.ceil(values.max()) + 1], 0, size)
    return slice(int(first), int(last))
