"""The bytes of PLY and GLB files, as their standards have them; no package is needed."""

from __future__ import annotations

import json
import struct
from typing import Any

import cv2
import numpy as np

SPACE_SUFFIXES = (".ply", ".glb")
TO_GLTF = np.array([1, -1, -1], np.float32)
"""The camera's axes (y down, z forward) to those of glTF (y up, z backward)."""
LARGEST_TEXTURE = 4096  # pixels a side: what every viewer takes
FLOAT, UINT32, VERTICES, INDICES = 5126, 5125, 34962, 34963  # numbers of glTF
_PLY_HEAD = """ply
format binary_little_endian 1.0
comment disdepth: metres, x right, y down, z forward
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def ply_bytes(xyz: np.ndarray, rgb: np.ndarray) -> bytes:
    """A binary PLY file of points (N, 3) [m] with colours (N, 3) uint8."""
    rows = np.empty(len(xyz), dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])
    rows["xyz"], rows["rgb"] = xyz, rgb
    return _PLY_HEAD.format(count=len(xyz)).encode("ascii") + rows.tobytes()


def glb_bytes(vertices: np.ndarray, place: np.ndarray, triangles: np.ndarray, image: np.ndarray) -> bytes:
    """A GLB file: a surface with an image on it, shown as it is, without a lamp.

    Args:
        vertices: (N, 3) float32 [m] in the camera's axes.
        place: (N, 2) float32, where a vertex lies in the image, as shares of its width and height.
        triangles: (M, 3) uint32.
        image: (H, W, 3) uint8 RGB.
    """
    positions = np.ascontiguousarray(vertices * TO_GLTF, dtype="<f4")
    blocks = [positions.tobytes(), place.astype("<f4").tobytes(), triangles.astype("<u4").tobytes(), _jpeg(image)]
    targets: list[int | None] = [VERTICES, VERTICES, INDICES, None]
    views: list[dict[str, Any]] = []
    binary = b""
    for block, target in zip(blocks, targets, strict=True):
        of_view = {} if target is None else {"target": target}
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(block), **of_view})
        binary += block + b"\0" * (-len(block) % 4)
    span = {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
    scene = {
        "asset": {"version": "2.0", "generator": "disdepth"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [
            {"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0, "mode": 4}]}
        ],
        "materials": [
            {
                "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0},
                "extensions": {"KHR_materials_unlit": {}},
                "doubleSided": True,
            }
        ],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 3, "mimeType": "image/jpeg"}],
        "accessors": [
            {"bufferView": 0, "componentType": FLOAT, "count": len(vertices), "type": "VEC3", **span},
            {"bufferView": 1, "componentType": FLOAT, "count": len(vertices), "type": "VEC2"},
            {"bufferView": 2, "componentType": UINT32, "count": int(triangles.size), "type": "SCALAR"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    text = json.dumps(scene, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 4)
    size = 12 + 8 + len(text) + 8 + len(binary)
    head = struct.pack("<4sII", b"glTF", 2, size)
    return head + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary


def _jpeg(image: np.ndarray) -> bytes:
    """The image (H, W, 3) uint8 RGB as JPEG, its longer side at most `LARGEST_TEXTURE`."""
    share = LARGEST_TEXTURE / max(image.shape[:2])
    if share < 1:
        image = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
