"""Protocols: the boxes of the published code, and when a result may carry a protocol's name."""

from dataclasses import FrozenInstanceError, fields

import pytest

from disdepth_cli.errors import ConfigError
from disdepth_cli.evaluation.protocols import PROTOCOLS, Protocol, for_output, get_protocol, override


def test_crop_boxes_golden():
    assert get_protocol("nyu-eigen").crop_box(480, 640) == (45, 471, 41, 601)
    assert get_protocol("kitti-eigen-garg").crop_box(375, 1242) == (153, 371, 44, 1197)
    assert get_protocol("kitti-eigen-garg-kb").crop_box(375, 1242) == (166, 372, 56, 1185)
    assert get_protocol("plain").crop_box(7, 9) == (0, 7, 0, 9)
    eigen = override(get_protocol("kitti-eigen-garg"), crop="kitti-eigen")
    assert eigen.crop_box(375, 1242) == (124, 342, 44, 1197)


def test_nyu_crop_is_proportional_at_other_sizes():
    assert get_protocol("nyu-eigen").crop_box(240, 320) == (22, 235, 20, 300)
    assert get_protocol("nyu-eigen").crop_box(960, 1280) == (90, 942, 82, 1202)


def test_training_boxes_golden():
    assert get_protocol("nyu-eigen").training_box(480, 640) == (45, 472, 43, 608)
    for name in ("kitti-eigen-garg", "kitti-eigen-garg-kb"):
        assert get_protocol(name).training_box(375, 1242) == (23, 375, 13, 1229)
        assert get_protocol(name).training_box(370, 1226) == (18, 370, 5, 1221)
        assert get_protocol(name).training_box(100, 200) == (0, 100, 0, 200)
    assert get_protocol("plain").training_box(480, 640) == (0, 480, 0, 640)


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (352, 1216), (376, 1241), (480, 640), (4000, 3)])
def test_boxes_stay_inside_the_frame(name, size):
    for box in (PROTOCOLS[name].crop_box(*size), PROTOCOLS[name].training_box(*size)):
        if box is not None:
            assert 0 <= box[0] <= box[1] <= size[0]
            assert 0 <= box[2] <= box[3] <= size[1]


FIELDS = ("min_depth", "max_depth", "crop", "align", "space", "resize", "tta", "images", "training_border")
GOLDEN = {
    "nyu-eigen": (1e-3, 10.0, "nyu-eigen", "none", "depth", "bilinear", False, 654, "nyu"),
    "kitti-eigen-garg": (1e-3, 80.0, "garg", "none", "depth", "bilinear", False, 652, "kb"),
    "kitti-eigen-garg-kb": (1e-3, 80.0, "kb-garg", "none", "depth", "bilinear", False, 652, "kb"),
    "kitti-eigen-697-raw": (1e-3, 80.0, "garg", "none", "depth", "bilinear", False, 697, None),
    "kitti-official-val": (1e-3, 80.0, "none", "none", "depth", "bilinear", False, 1000, "kb"),
    "diode-indoor": (1e-3, 10.0, "nyu-eigen-pixels", "none", "depth", "bilinear", False, 325, None),
    "diode-outdoor": (1e-3, 80.0, "garg", "none", "depth", "bilinear", False, 446, None),
    "sunrgbd": (1e-3, 8.0, "nyu-eigen-pixels", "none", "depth", "bilinear", False, 5050, None),
    "vkitti2": (1e-3, 80.0, "kb-garg", "none", "depth", "bilinear", False, 1701, "kb"),
    "hypersim": (1e-3, 80.0, "nyu-eigen-pixels", "none", "depth", "bilinear", False, 7690, None),
    "ibims": (1e-3, 10.0, "nyu-eigen", "none", "depth", "bilinear", False, 100, None),
    "zero-shot-relative": (1e-3, 1000.0, "none", "scale-shift", "disparity", "bilinear", False, None, None),
    "plain": (1e-3, 1000.0, "none", "none", "depth", "bilinear", False, None, None),
}
"""Frozen: a number here changes only together with every result that was made under the name."""


def test_every_field_of_every_protocol_is_frozen():
    assert {field.name for field in fields(Protocol)} == {"name", *FIELDS}
    now = {name: tuple(getattr(protocol, field) for field in FIELDS) for name, protocol in PROTOCOLS.items()}
    assert now == GOLDEN
    assert all(protocol.name == name for name, protocol in PROTOCOLS.items())
    with pytest.raises(FrozenInstanceError):
        PROTOCOLS["plain"].max_depth = 5.0


@pytest.mark.parametrize(
    "name, size, box",
    [
        ("kitti-eigen-697-raw", (375, 1242), (153, 371, 44, 1197)),
        ("kitti-official-val", (352, 1216), (0, 352, 0, 1216)),
        ("diode-indoor", (768, 1024), (45, 471, 41, 601)),
        ("diode-outdoor", (768, 1024), (313, 761, 36, 987)),
        ("sunrgbd", (530, 730), (45, 471, 41, 601)),
        ("sunrgbd", (441, 591), (45, 441, 41, 591)),
        ("vkitti2", (375, 1242), (166, 372, 56, 1185)),
        ("hypersim", (768, 1024), (45, 471, 41, 601)),
        ("ibims", (480, 640), (45, 471, 41, 601)),
        ("zero-shot-relative", (7, 9), (0, 7, 0, 9)),
    ],
)
def test_boxes_of_the_other_benchmarks_golden(name, size, box):
    assert get_protocol(name).crop_box(*size) == box


def test_near_ends_at_a_quarter_of_the_range_and_far_begins_at_half():
    assert get_protocol("kitti-eigen-garg").buckets == (20.0, 40.0)
    assert get_protocol("nyu-eigen").buckets == (2.5, 5.0)


def test_json_has_exactly_the_documented_keys():
    assert get_protocol("nyu-eigen").as_json() == {
        "name": "nyu-eigen",
        "min_depth": 1e-3,
        "max_depth": 10.0,
        "crop": "nyu-eigen",
        "align": "none",
        "space": "depth",
        "resize": "bilinear",
        "tta": False,
    }


def test_unknown_protocol_names_near_ones():
    with pytest.raises(ConfigError, match="did you mean .*nyu-eigen"):
        get_protocol("nyu-eigne")
    with pytest.raises(ConfigError, match="there are nyu-eigen, .*plain"):
        get_protocol("xyz")


def test_override_without_a_change_is_the_same_object():
    nyu = get_protocol("nyu-eigen")
    assert override(nyu, max_depth=10.0, align=None, tta=False) is nyu
    assert override(nyu) is nyu


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
@pytest.mark.parametrize(
    "change",
    [
        {"min_depth": 0.5},
        {"max_depth": 5.0},
        {"crop": "kitti-eigen"},
        {"align": "median"},
        {"space": "disparity"},
        {"resize": "nearest"},
        {"tta": True},
    ],
)
def test_a_changed_protocol_loses_its_name(name, change):
    protocol = get_protocol(name)
    changed = override(protocol, **change)
    if changed is protocol:
        assert all(getattr(protocol, field) == value for field, value in change.items())
        return
    range_of_the_data = name in ("plain", "zero-shot-relative") and change.keys() <= {"min_depth", "max_depth"}
    assert changed.name == (name if range_of_the_data else "custom")
    assert {field: getattr(changed, field) for field in change} == change


@pytest.mark.parametrize("name", ["plain", "zero-shot-relative"])
def test_a_range_that_is_the_datas_is_free_and_the_rest_is_not(name):
    protocol = get_protocol(name)
    assert protocol.range_is_the_datas and not get_protocol("nyu-eigen").range_is_the_datas
    ranged = override(protocol, min_depth=0.1, max_depth=20.0)
    assert (ranged.name, ranged.min_depth, ranged.max_depth) == (name, 0.1, 20.0)
    assert override(ranged, align="median").name == "custom"
    assert override(ranged, max_depth=10.0, resize="nearest").name == "custom"


def test_impossible_overrides():
    with pytest.raises(ConfigError, match="--min-depth 20 must be below --max-depth 10"):
        override(get_protocol("nyu-eigen"), min_depth=20.0)
    with pytest.raises(ConfigError, match="crop 'garq' is unknown; did you mean garg"):
        override(get_protocol("plain"), crop="garq")
    with pytest.raises(ConfigError, match="resize 'bilinar' is unknown; did you mean bilinear"):
        override(get_protocol("plain"), resize="bilinar")


def test_relative_models_need_alignment():
    nyu = get_protocol("nyu-eigen")
    assert for_output(nyu, "metric_depth") is nyu
    for kind in ("disparity", "relative_depth"):
        with pytest.raises(ConfigError, match="--align scale-shift"):
            for_output(nyu, kind)
    aligned = override(nyu, align="scale-shift")
    assert for_output(aligned, "disparity").space == "disparity"
    assert for_output(aligned, "relative_depth").space == "depth"


def test_relative_models_are_aligned_in_the_space_of_their_numbers():
    relative = get_protocol("zero-shot-relative")
    assert for_output(relative, "disparity") is relative
    assert for_output(relative, "metric_depth") is relative
    of_depth = for_output(relative, "relative_depth")
    assert (of_depth.space, of_depth.name) == ("depth", "custom")
