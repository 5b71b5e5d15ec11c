"""Points of depth: a rendered room's walls lie where they stand; edges are cut; files say the same."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest

from disdepth_cli import Depth
from disdepth_cli.demo.geometry import trace
from disdepth_cli.demo.scene import FIELD_OF_VIEW, random_scene
from disdepth_cli.depth.intrinsics import Intrinsics
from disdepth_cli.errors import DataError

SIZE = (120, 160)


@pytest.fixture(scope="module", params=[3, 8])
def room(request):
    """A furnished room: its scene, true depth (H, W) [m], and which solid each pixel sees; 0 is the room itself."""
    scene = random_scene(np.random.default_rng(request.param), *SIZE)
    return scene, *trace(scene.solids, scene.camera)


def in_the_room(scene, points):
    """Points (N, 3) of the camera in the room's axes [m]."""
    return points.astype(float) @ scene.camera.axes() + scene.camera.position


def test_walls_floor_and_ceiling_lie_where_they_stand(room):
    scene, depth, which = room
    points = Depth(depth).points(fov=math.degrees(FIELD_OF_VIEW))
    walls = in_the_room(scene, points.grid[which == 0])
    size = 2 * scene.solids[0].half
    assert np.minimum(np.abs(walls), np.abs(walls - size)).min(axis=1).max() < 1e-5  # m, of rooms of 3 to 9 m
    box = in_the_room(scene, points.xyz)
    assert (box > -1e-5).all() and (box < size + 1e-5).all()
    wrong = in_the_room(scene, Depth(depth).points(fov=50).grid[which == 0])
    assert np.median(np.minimum(np.abs(wrong), np.abs(wrong - size)).min(axis=1)) > 0.02


def test_planes_fitted_to_the_points_are_the_rooms(room):
    """Each of the room's six planes that is seen, found again without knowing it."""
    scene, depth, which = room
    points = Depth(depth.astype(np.float32)).points(fov=math.degrees(FIELD_OF_VIEW))
    size, fitted = 2 * scene.solids[0].half, 0
    seen = in_the_room(scene, points.grid[which == 0])
    for axis in range(3):
        for place in (0.0, size[axis]):
            own = seen[np.abs(seen[:, axis] - place) < 1e-3]
            if len(own) < 200:
                continue
            middle = own.mean(axis=0)
            normal = np.linalg.svd(own - middle, full_matrices=False)[2][2]
            assert abs(normal[axis]) > math.cos(math.radians(0.01)) and abs(middle[axis] - place) < 1e-5
            fitted += 1
    assert fitted >= 3


def test_a_true_map_keeps_its_points_and_its_mesh_tears_at_edges(room):
    _, depth, _ = room
    points = Depth(depth).points(fov=math.degrees(FIELD_OF_VIEW))
    assert points.kept.mean() > 0.98
    vertices, place, triangles = points.mesh()
    corners = vertices[triangles].astype(float)
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    nearest = corners[..., 2].min(axis=1)
    assert (longest / nearest < 2 / points.intrinsics.fx / math.sin(math.radians(3))).all()
    assert 0.7 < len(triangles) / (2 * (SIZE[0] - 1) * (SIZE[1] - 1)) < 1
    pixels = np.floor(place * [SIZE[1], SIZE[0]]).astype(int)
    assert np.array_equal(points.grid[pixels[:, 1], pixels[:, 0]], vertices)


def test_what_hangs_between_two_walls_is_cut_and_a_thin_thing_stays():
    """A network's edge is a slope: 2 m, ten pixels of everything between, 4 m. A pole of one pixel is no slope."""
    row = np.concatenate([np.full(50, 2.0), np.linspace(2, 4, 12)[1:-1], np.full(40, 4.0)])
    depth = np.tile(row, (40, 1))
    depth[:, 20] = 1.0
    points = Depth(depth).points(focal=500.0)
    assert not points.kept[:, 51:59].any()
    assert points.kept[:, :50].all() and points.kept[:, 60:].all()
    floor = 1.5 * 200 / np.arange(12, 200)[:, None] * np.ones(80)  # 1.5 m below the camera, up to 25 m
    assert Depth(floor).points(focal=200.0).kept.all()


def ply(path):
    head, body = path.read_bytes().split(b"end_header\n", 1)
    assert b"binary_little_endian" in head
    rows = np.frombuffer(body, dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])
    assert f"element vertex {len(rows)}\n".encode() in head
    return rows


def glb(path):
    """The JSON and the binary of a GLB file."""
    data = path.read_bytes()
    magic, version, size = struct.unpack_from("<4sII", data)
    length, kind = struct.unpack_from("<I4s", data, 12)
    scene, rest = json.loads(data[20 : 20 + length]), data[20 + length :]
    binary, name = struct.unpack_from("<I4s", rest)
    assert (magic, version, size, kind, name) == (b"glTF", 2, len(data), b"JSON", b"BIN\0")
    assert len(rest) == 8 + binary and binary % 4 == 0 and length % 4 == 0
    return scene, rest[8:]


def test_files_hold_the_points_and_the_colours(room, tmp_path):
    _, depth, _ = room
    colours = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    points = Depth(depth).points(colours, focal=140)
    points.save(tmp_path / "room.ply")
    points.save(str(tmp_path / "room.glb"))
    rows = ply(tmp_path / "room.ply")
    assert np.array_equal(rows["xyz"], points.xyz) and np.array_equal(rows["rgb"], points.rgb)
    scene, binary = glb(tmp_path / "room.glb")
    vertices, _, triangles = points.mesh()
    views = [binary[v["byteOffset"] : v["byteOffset"] + v["byteLength"]] for v in scene["bufferViews"]]
    assert np.array_equal(np.frombuffer(views[0], "<f4").reshape(-1, 3), vertices * [1, -1, -1])
    assert np.array_equal(np.frombuffer(views[2], "<u4").reshape(-1, 3), triangles)
    assert views[3][:2] == b"\xff\xd8" and views[3][-2:] == b"\xff\xd9"


def test_another_program_reads_them(room, tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="needs the extra `dev`")
    _, depth, _ = room
    points = Depth(depth).points(focal=140)
    points.save(tmp_path / "room.ply")
    points.save(tmp_path / "room.glb")
    cloud = trimesh.load(tmp_path / "room.ply")
    assert np.allclose(cloud.vertices, points.xyz) and np.array_equal(cloud.colors[:, :3], points.rgb)
    (mesh,) = trimesh.load(tmp_path / "room.glb").geometry.values()
    vertices, place, triangles = points.mesh()
    assert np.allclose(mesh.vertices, vertices * [1, -1, -1]) and np.array_equal(mesh.faces, triangles)
    assert mesh.visual.material.baseColorTexture.size == SIZE[::-1]
    assert np.allclose(mesh.visual.uv[:, 0], place[:, 0]) and np.allclose(1 - mesh.visual.uv[:, 1], place[:, 1])
    towards = (mesh.face_normals * mesh.triangles_center).sum(axis=1)
    assert (towards < 0).all()  # every front looks at the camera


def test_a_large_image_has_at_most_a_million_vertices():
    depth = Depth(np.full((1200, 1600), 2.0, np.float32)).points(fov=60)
    vertices, place, triangles = depth.mesh()
    assert len(depth) == 1200 * 1600 and 400_000 < len(vertices) <= 1_000_000
    assert np.ptp(vertices[:, 0]) == pytest.approx(np.ptp(depth.xyz[:, 0]), rel=0.01) and place.max() > 0.99
    assert len(triangles) == 2 * 599 * 799


def test_what_has_no_points_is_one_line(tmp_path):
    flat = Depth(np.full((4, 6), 2.0))
    for wrong, words in (
        (lambda: Depth(flat.values, "disparity").points(fov=60), "points need metres, and this map is disparity"),
        (lambda: flat.points(), "give one of fov, focal and intrinsics"),
        (lambda: flat.points(fov=60, focal=5), "give one of them"),
        (lambda: flat.points(fov=180), "between 0 and 180"),
        (lambda: flat.points(focal=-1), "positive number of pixels"),
        (lambda: flat.points(np.zeros((2, 2, 3), np.uint8), fov=60), "uint8 of 4x6"),
        (lambda: flat.points(fov=60).save(tmp_path / "x.obj"), r"saved as \.ply, \.glb, not as '\.obj'"),
        (lambda: Depth(np.zeros((4, 6))).points(fov=60).save(tmp_path / "x.ply"), "has no point"),
        (lambda: Depth(np.zeros((4, 6))).points(fov=60).save(tmp_path / "x.glb"), "has no point"),
        (lambda: flat.save(tmp_path / "x.ply"), r"depth\.points"),
        (lambda: flat.points(intrinsics=tmp_path / "none.json"), "none.json"),
    ):
        with pytest.raises(DataError, match=words):
            wrong()
    assert not list(tmp_path.iterdir())


CAMERA = (500.0, 510.0, 321.0, 238.5)
BY_ROWS = "[500, 0, 321, 0, 510, 238.5, 0, 0, 1]"


@pytest.mark.parametrize(
    "text",
    [
        '{"fx": 500, "fy": 510, "cx": 321, "cy": 238.5}',
        "fx: 500\nfy: 510\ncx: 321\ncy: 238.5\nwidth: 640\nheight: 480\n",
        "500 0 321\n0 510 238.5\n0 0 1\n",
        "500, 510, 321, 238.5",
        "[[500, 0, 321], [0, 510, 238.5], [0, 0, 1]]",
        f"image_width: 640\nimage_height: 480\ncamera_matrix:\n  rows: 3\n  cols: 3\n  data: {BY_ROWS}\n",
        f"width: 640\nheight: 480\nK: {BY_ROWS}\n",
        '{"width": 640, "height": 480, "intrinsic_matrix": [500, 0, 0, 0, 510, 0, 321, 238.5, 1]}',
        '{"width": 1280, "height": 960, "fx": 1000, "fy": 1020, "cx": 642.5, "cy": 477.5}',
    ],
)
def test_cameras_of_files(text, tmp_path):
    """As JSON, YAML and text; as ROS and Open3D write them; and of images of twice the size."""
    (tmp_path / "camera.txt").write_text(text)
    found = Intrinsics.load(tmp_path / "camera.txt", (480, 640))
    assert (found.fx, found.fy, found.cx, found.cy) == pytest.approx(CAMERA)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no camera"),
        ("fx: 500", "not all there"),
        ("1 2 3", "not all there"),
        ("fx: -1\nfy: 1\ncx: 1\ncy: 1", "not positive"),
        ("fx: .nan\nfy: 1\ncx: 1\ncy: 1", "not all there"),
        ("1 2 3 4 5 6 7 8 9", "does not end with 0 0 1"),
        ("width: 640\nheight: 640\nfx: 5\nfy: 5\ncx: 1\ncy: 1", "is of images of 640x640"),
        ("fx: 500\nfy: 500\ncx: 900\ncy: 200", "lies outside an image of 480x640"),
        ("{fx: [1", "holds no camera"),
        ("a photograph", "holds no camera"),
    ],
)
def test_files_without_a_camera(text, words, tmp_path):
    (tmp_path / "camera.yaml").write_text(text)
    with pytest.raises(DataError, match=words) as error:
        Intrinsics.load(tmp_path / "camera.yaml", (480, 640))
    assert str(tmp_path / "camera.yaml") in str(error.value) and "\n" not in str(error.value)


def test_cameras_of_numbers():
    assert Intrinsics.of_fov(90, (480, 640)).fx == pytest.approx(320)
    assert Intrinsics.of_film(50, (2400, 3600)).fx == pytest.approx(5000)  # a full frame is 36 mm wide
    assert Intrinsics.assumed((640, 480)).fx == Intrinsics.of_fov(60, (480, 640)).fx
    small = Intrinsics.of_focal(500, (480, 640)).scaled(0.25)
    assert (small.fx, small.cx, small.cy) == (125, 79.5, 59.5)
