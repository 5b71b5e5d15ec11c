"""Protocols: the boxes of the published code, and when a result may carry a protocol's name."""

import pytest

from disdepth_cli.errors import ConfigError
from disdepth_cli.evaluation.protocols import PROTOCOLS, for_output, get_protocol, override


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


def test_published_numbers():
    pinned = {name: (p.min_depth, p.max_depth, p.images, p.align, p.space, p.tta) for name, p in PROTOCOLS.items()}
    assert pinned["nyu-eigen"] == (1e-3, 10.0, 654, "none", "depth", False)
    assert pinned["kitti-eigen-garg"] == (1e-3, 80.0, 652, "none", "depth", False)
    assert pinned["kitti-eigen-garg-kb"] == (1e-3, 80.0, 652, "none", "depth", False)
    assert PROTOCOLS["plain"].images is None


def test_json_has_exactly_the_documented_keys():
    assert get_protocol("nyu-eigen").as_json() == {
        "name": "nyu-eigen",
        "min_depth": 1e-3,
        "max_depth": 10.0,
        "crop": "nyu-eigen",
        "align": "none",
        "space": "depth",
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


@pytest.mark.parametrize(
    "change", [{"max_depth": 5.0}, {"crop": "none"}, {"align": "median"}, {"space": "disparity"}, {"tta": True}]
)
def test_a_changed_protocol_loses_its_name(change):
    changed = override(get_protocol("nyu-eigen"), **change)
    assert changed.name == "custom"
    assert {field: getattr(changed, field) for field in change} == change


def test_the_range_of_plain_is_free_and_the_rest_is_not():
    plain = get_protocol("plain")
    ranged = override(plain, min_depth=0.1, max_depth=20.0)
    assert (ranged.name, ranged.min_depth, ranged.max_depth) == ("plain", 0.1, 20.0)
    assert override(ranged, align="median").name == "custom"


def test_impossible_overrides():
    with pytest.raises(ConfigError, match="--min-depth 20 must be below --max-depth 10"):
        override(get_protocol("nyu-eigen"), min_depth=20.0)
    with pytest.raises(ConfigError, match="crop 'garq' is unknown; did you mean garg"):
        override(get_protocol("plain"), crop="garq")


def test_relative_models_need_alignment():
    nyu = get_protocol("nyu-eigen")
    assert for_output(nyu, "metric_depth") is nyu
    for kind in ("disparity", "relative_depth"):
        with pytest.raises(ConfigError, match="--align scale-shift"):
            for_output(nyu, kind)
    aligned = override(nyu, align="scale-shift")
    assert for_output(aligned, "disparity").space == "disparity"
    assert for_output(aligned, "relative_depth").space == "depth"
