"""Published data sets, read as they come: a miniature of each, in its own layout, and the traps it holds."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.pair import load_pair, read_pair
from disdepth_cli.data.sets.catalogue import FORMATS, recognise
from disdepth_cli.data.sets.layouts import nearest
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError

HIGH, WIDE = 8, 12


def depth16(value: int) -> np.ndarray:
    return np.full((HIGH, WIDE), value, np.uint16)


def images(source: DataSource, split: str) -> list[str]:
    return [source.key(item) for item in source.items(split)]  # type: ignore[arg-type]


def metres(source: DataSource, split: str, index: int = 0) -> np.ndarray:
    image, depth = read_pair(source.items(split)[index], source.coding)  # type: ignore[arg-type]
    assert image.dtype == np.uint8 and depth is not None and depth.dtype == np.float32
    return depth


def defaults(source: DataSource) -> tuple[str | None, bool, float, float, str | None]:
    return source.format, source.recognised, source.min_depth, source.max_depth, source.protocol


# lists of BTS


def nyu_tree(write) -> Path:
    write("sync/kitchen_0028b/rgb_00045.jpg")
    write("sync/kitchen_0028b/sync_depth_00045.png", depth16(2500))
    write("official_splits/test/kitchen/rgb_00045.jpg")
    write("official_splits/test/kitchen/sync_depth_00045.png", depth16(4000))
    line = "/kitchen_0028b/rgb_00045.jpg /kitchen_0028b/sync_depth_00045.png 518.8579\n"
    gone = "/bath_0001/rgb_00000.jpg /bath_0001/sync_depth_00000.png 518.8579\n"
    write("train_test_inputs/nyudepthv2_train_files_with_gt.txt", line + gone)
    line = "kitchen/rgb_00045.jpg  kitchen/sync_depth_00045.png 518.8579\n"
    return write("train_test_inputs/nyudepthv2_test_files_with_gt.txt", line).parent.parent


def test_nyu_as_bts_has_it(write):
    root = nyu_tree(write)
    source = load_source(root)
    assert images(source, "train") == ["sync/kitchen_0028b/rgb_00045.jpg"]  # the leading slash is not absolute
    assert images(source, "val") == ["official_splits/test/kitchen/rgb_00045.jpg"]
    assert metres(source, "train") == pytest.approx(2.5) and metres(source, "val") == pytest.approx(4)
    assert defaults(source) == ("nyu-bts", True, 1e-3, 10, "nyu-eigen")
    (skip,) = source.skipped
    assert skip.split == "train" and skip.where.endswith("train_files_with_gt.txt:2")
    assert skip.reason == f"bath_0001/rgb_00000.jpg is not in {root}"


def test_kitti_with_eigen_lists(write, tmp_path):
    frame = "2011_09_26_drive_0002_sync/{}image_02/{}0000000069.png"
    image, depth = frame.format("", "data/"), frame.format("proj_depth/groundtruth/", "")
    write(f"raw/2011_09_26/{image}")
    write(f"data_depth_annotated/val/{depth}", depth16(256 * 20))
    write(f"2011_09_26/{image.replace('69.png', '70.png')}")
    write(f"data_depth_annotated/train/{depth.replace('69.png', '70.png')}", depth16(256 * 30))
    none = image.replace("69", "75")
    rows = [f"2011_09_26/{image} {depth} 721.5377", f"2011_09_26/{none} None 721.5377"]
    write("eigen_test_files_with_gt.txt", "\n".join(rows))
    # Some copies of the lists lack the date before the image too.
    row = f"{image} {depth} 721.5377".replace("69.png", "70.png")
    write("eigen_train_files_with_gt.txt", row)
    source = load_source(tmp_path / "tree")
    assert images(source, "val") == [f"raw/2011_09_26/{image}"] and metres(source, "val") == pytest.approx(20)
    assert images(source, "train") == [f"2011_09_26/{image.replace('69.png', '70.png')}"]
    assert metres(source, "train") == pytest.approx(30)
    assert defaults(source) == ("kitti", True, 1e-3, 80, "kitti-eigen-garg")
    assert [(s.split, s.reason) for s in source.skipped] == [("val", f"2011_09_26/{none} has no ground truth (None)")]


# patterns


def test_kitti_selection_names_depth_otherwise(write, tmp_path):
    folder = "depth_selection/val_selection_cropped"
    drive = "2011_09_26_drive_0002_sync"
    for number in (5, 8):
        write(f"{folder}/image/{drive}_image_000000000{number}_image_02.png")
    write(f"{folder}/groundtruth_depth/{drive}_groundtruth_depth_0000000005_image_02.png", depth16(256 * 7))
    write(f"{folder}/velodyne_raw/{drive}_velodyne_raw_0000000005_image_02.png", depth16(1))
    for given in (tmp_path / "tree", tmp_path / "tree" / folder):
        source = load_source(given)
        assert images(source, "val") == [f"image/{drive}_image_0000000005_image_02.png"]
        assert metres(source, "val") == pytest.approx(7)
        assert defaults(source) == ("kitti-val-selection", True, 1e-3, 80, "kitti-official-val")
        (skip,) = source.skipped
        assert f"no groundtruth_depth/{drive}_groundtruth_depth_0000000008_image_02.png" in skip.reason
        with pytest.raises(DataError, match="no images to use as train"):
            source.items("train")


def diode_scan(write, split: str, domain: str, value: float) -> str:
    stem = f"{split}/{domain}/scene_00019/scan_00183/00019_00183_{domain}_000_010"
    write(f"{stem}.png")
    depth = np.full((HIGH, WIDE, 1), value, np.float32)
    depth[0] = np.nan
    mask = np.ones((HIGH, WIDE))
    mask[:, 3] = 0
    write(f"{stem}_depth.npy", depth)
    write(f"{stem}_depth_mask.npy", mask)
    return stem


def test_diode_masks_leave_depth_out(write, tmp_path):
    stem = diode_scan(write, "val", "indoors", 3.5)
    source = load_source(tmp_path / "tree")
    assert images(source, "val") == [f"{stem}.png"] and not source.train
    depth = metres(source, "val")
    assert depth.shape == (HIGH, WIDE) and not depth[0].any() and not depth[:, 3].any()
    assert (depth[1:, [0, 1, 2, 4]] == 3.5).all()
    assert (load_pair(source.val[0], source)[1] == depth).all()
    assert defaults(source) == ("diode-indoor", True, 1e-3, 10, "diode-indoor")


def test_diode_with_both_domains_and_splits(write, tmp_path):
    stems = [diode_scan(write, "train", "outdoor", 40), diode_scan(write, "val", "indoors", 4)]
    stems.append(diode_scan(write, "val", "outdoor", 50))
    (tmp_path / "tree" / f"{stems[2]}_depth_mask.npy").unlink()
    source = load_source(tmp_path / "tree")
    assert images(source, "train") == [f"{stems[0]}.png"] and images(source, "val") == [f"{stems[1]}.png"]
    assert [skip.reason.split()[1] for skip in source.skipped] == [f"{stems[2]}_depth_mask.npy"]
    assert defaults(source) == ("diode", True, 1e-3, 80, None)
    (tmp_path / "data.yaml").write_text("path: tree\nformat: diode-outdoor\n")
    source = load_source(tmp_path)
    assert images(source, "train") == [f"{stems[0]}.png"] and not source.val
    assert defaults(source) == ("diode-outdoor", False, 1e-3, 80, "diode-outdoor")


def test_a_mask_of_another_size_is_refused(write, tmp_path):
    stem = diode_scan(write, "val", "indoors", 3.5)
    write(f"{stem}_depth_mask.npy", np.ones((4, 6)))
    source = load_source(tmp_path / "tree")
    with pytest.raises(DataError, match=r"_depth_mask\.npy: the mask is 4x6 but its depth .* is 8x12"):
        read_pair(source.val[0], source.coding)


def vkitti_frame(write, scene: str, depth: np.ndarray, number: int = 0) -> str:
    where = f"{scene}/clone/frames/{{}}/Camera_0/{{}}_{number:05d}"
    write(f"vkitti_2.0.3_depth/{where.format('depth', 'depth')}.png", depth)
    name = f"vkitti_2.0.3_rgb/{where.format('rgb', 'rgb')}.jpg"
    write(name)
    return name


def test_virtual_kitti_counts_in_centimetres_without_the_sky(write, tmp_path):
    stored = depth16(1234)
    stored[0], stored[1] = 65535, 65534
    frames = [vkitti_frame(write, scene, stored) for scene in ("Scene01", "Scene02", "Scene20")]
    source = load_source(tmp_path / "tree")
    assert images(source, "train") == [frames[0], frames[2]] and images(source, "val") == [frames[1]]
    depth = metres(source, "train")
    assert (depth[0] == 0).all() and depth[1] == pytest.approx(655.34) and depth[2:] == pytest.approx(12.34)
    assert (load_pair(source.train[0], source)[1][1] == 0).all()  # beyond max_depth
    assert defaults(source) == ("vkitti2", True, 1e-3, 80, "vkitti2")


def test_the_archives_a_data_set_was_unpacked_from_are_not_its_shards(write, tmp_path) -> None:
    """Virtual KITTI 2 is published as tar files: read as shards, its depth maps would be images without depth."""
    for scene in ("Scene01", "Scene02"):
        vkitti_frame(write, scene, depth16(1234))
    for part in ("rgb", "depth"):
        with tarfile.open(tmp_path / f"tree/vkitti_2.0.3_{part}.tar", "w") as tar:
            tar.add(tmp_path / f"tree/vkitti_2.0.3_{part}", f"vkitti_2.0.3_{part}")
    source = load_source(tmp_path / "tree")
    assert source.format == "vkitti2" and source.labelled("train") and source.labelled("val")


def test_one_scene_alone_gives_its_last_tenth(write, tmp_path):
    for number in range(21):
        write(f"scene0000_00/color/{number}.jpg")
        write(f"scene0000_00/depth/{number}.png", depth16(500))
    source = load_source(tmp_path / "tree")
    assert [item.image.stem for item in source.val] == ["19", "20"] and len(source.train) == 19  # 9 comes before 10


def test_every_tenth_of_many_scenes_is_held_out(write, tmp_path):
    for number in range(21):
        write(f"scene{number:04d}_00/color/0.jpg")
        write(f"scene{number:04d}_00/depth/0.png", depth16(500))
    source = load_source(tmp_path / "tree")
    assert [source.key(item)[:9] for item in source.val] == ["scene0009", "scene0019"] and len(source.train) == 19


def rotated(millimetres: int) -> int:
    return ((millimetres << 3) | (millimetres >> 13)) & 0xFFFF


def sunrgbd_folder(write, folder: str, depth_folder: str = "depth_bfx", millimetres: int = 2500) -> str:
    write(f"{folder}/image/0000103.jpg")
    write(f"{folder}/{depth_folder}/0000103-000012.png", depth16(rotated(millimetres)))
    return f"{folder}/image/0000103.jpg"


def cells(*texts: str) -> np.ndarray:
    held = np.empty((1, len(texts)), object)
    held[0] = texts
    return held


def test_sun_rgbd_has_rotated_bits_and_the_official_split(write, tmp_path):
    test = sunrgbd_folder(write, "SUNRGBD/kv2/kinect2data/000002_2014-05-26_rgbf000103-resize")
    train = sunrgbd_folder(write, "SUNRGBD/xtion/sun3ddata/brown/lounge/0001", "depth", 9001)
    left = sunrgbd_folder(write, "SUNRGBD/kv1/NYUdata/NYU0001")
    write("SUNRGBD/kv1/NYUdata/NYU0001/depth/0000104.png", depth16(1))
    toolbox = tmp_path / "tree" / "SUNRGBDtoolbox" / "traintestSUNRGBD"
    toolbox.mkdir(parents=True)
    older = "/n/fs/sun3d/data//"
    names = {"alltrain": cells(older + train.split("/image")[0]), "alltest": cells(older + test.split("/image")[0])}
    scipy.io.savemat(toolbox / "allsplit.mat", names)
    source = load_source(tmp_path / "tree")
    assert source.root == tmp_path / "tree" / "SUNRGBD"
    assert [images(source, split) for split in ("train", "val")] == [[train[8:]], [test[8:]]]
    assert metres(source, "val") == pytest.approx(2.5)
    assert metres(source, "train") == pytest.approx(9.001)  # stored / 8000 would give 0.81 m
    (skip,) = source.skipped
    assert left in skip.where and skip.reason == "allsplit.mat: names its folder in neither split"
    assert defaults(source) == ("sunrgbd", True, 1e-3, 10, "sunrgbd")
    (toolbox / "allsplit.mat").unlink()
    assert [len(load_source(tmp_path / "tree").train), len(load_source(tmp_path / "tree").val)] == [2, 1]


def test_rotated_bits_of_eight_bit_depth_are_refused(write, tmp_path):
    sunrgbd_folder(write, "kv1/NYUdata/NYU0001")
    write("kv1/NYUdata/NYU0001/depth_bfx/0000103-000012.png", depth16(3).astype(np.uint8))
    source = load_source(tmp_path / "tree")
    with pytest.raises(DataError, match=r"000012\.png: its depth is uint8, .*rotated bits.*; is `format` right"):
        read_pair(source.val[0], source.coding)


def test_scannet_depth_is_smaller_than_its_images(write, tmp_path):
    for scene in ("scene0000_00", "scene0001_00", "scene0002_00"):
        write(f"scans/{scene}/color/0.jpg", np.zeros((968, 1296, 3), np.uint8))
        write(f"scans/{scene}/depth/0.png", np.full((480, 640), 1500, np.uint16))
    write("scans/scene0001_00/color/10.jpg")
    source = load_source(tmp_path / "tree")
    assert images(source, "val") == ["scene0002_00/color/0.jpg"] and len(source.train) == 2
    assert metres(source, "val").shape == (480, 640) and metres(source, "val") == pytest.approx(1.5)
    assert [skip.reason.split()[1] for skip in source.skipped] == ["scene0001_00/depth/10.png"]
    assert defaults(source) == ("scannet", True, 1e-3, 10, None)
    write("scannetv2_train.txt", "scene0002_00\n")
    write("scannetv2_val.txt", "scene0000_00\n")
    source = load_source(tmp_path / "tree")
    assert images(source, "train") == ["scene0002_00/color/0.jpg"]
    assert images(source, "val") == ["scene0000_00/color/0.jpg"]
    assert "neither scannetv2_train.txt nor" in source.skipped[-1].reason


def test_ibims_has_two_masks(write, tmp_path):
    write("ibims1_core_raw/rgb/corridor_01.png")
    write("ibims1_core_raw/depth/corridor_01.png", depth16(65535 // 10))
    for number, name in enumerate(("mask_invalid", "mask_transp")):
        mask = np.ones((HIGH, WIDE), np.uint8)
        mask[number] = 0
        write(f"ibims1_core_raw/{name}/corridor_01.png", mask)
    source = load_source(tmp_path / "tree")
    depth = metres(source, "val")
    assert not depth[:2].any() and depth[2:] == pytest.approx(5, abs=1e-3)
    assert defaults(source) == ("ibims", True, 1e-3, 50, "ibims")


# times


def test_tum_pairs_by_time(write, tmp_path):
    folder = "rgbd_dataset_freiburg1_desk"
    for time in ("1.000000", "1.040000", "1.080000", "1.120000"):
        write(f"{folder}/rgb/{time}.png")
    for number, time in enumerate(("1.015000", "1.058000", "1.101000")):
        write(f"{folder}/depth/{time}.png", depth16(5000 * (number + 1)))
    head = "# color images\n# file: 'rgbd_dataset_freiburg1_desk.bag'\n# timestamp filename\n"
    write(
        f"{folder}/rgb.txt",
        head + "".join(f"{t} rgb/{t}.png\n" for t in ("1.000000", "1.040000", "1.080000", "1.120000")),
    )
    write(f"{folder}/depth.txt", head + "".join(f"{t} depth/{t}.png\n" for t in ("1.015000", "1.058000", "1.101000")))
    for given in (tmp_path / "tree", tmp_path / "tree" / folder):
        source = load_source(given)
        pairs = [(item.image.name, item.depth.name) for item in (*source.train, *source.val)]
        assert pairs == [
            ("1.000000.png", "1.015000.png"),
            ("1.040000.png", "1.058000.png"),
            ("1.120000.png", "1.101000.png"),
        ]
        assert metres(source, "val") == pytest.approx(3)
        (skip,) = source.skipped
        assert skip.where.endswith("1.080000.png") and skip.reason == "no depth within 0.02 s of 1.080000"
        assert defaults(source) == ("tum", True, 1e-3, 10, None)


def test_nearest_pairs_first_and_each_once():
    assert nearest([0.0, 1.0, 2.0], [0.019, 1.5, 2.02], 0.02) == {0: 0}  # strictly nearer
    assert nearest([0.0, 0.015], [0.010], 0.02) == {1: 0}
    assert nearest([1.0], [], 0.02) == nearest([], [1.0], 0.02) == {}
    assert nearest([0.0], [0.5], 0.5) == {}
    assert nearest([1.0, 5.0], [5.001, 1.001], 0.02) == {0: 1, 1: 0}  # lists need not be sorted


# what data.yaml says, and what goes wrong


def test_keys_of_data_yaml_win_over_the_format(write, tmp_path):
    root = nyu_tree(write)
    file = tmp_path / "data.yaml"
    file.write_text("path: tree\nformat: nyu-bts\n")
    assert defaults(load_source(file)) == ("nyu-bts", False, 1e-3, 10, "nyu-eigen")
    file.write_text("path: tree\nformat: nyu-bts\ndepth_scale: 500\nmin_depth: 12\nmax_depth: 50\nprotocol: plain\n")
    source = load_source(file)
    assert defaults(source) == ("nyu-bts", False, 12, 50, "plain") and metres(source, "train") == pytest.approx(5)
    write("mine.txt", "sync/kitchen_0028b/rgb_00045.jpg sync/kitchen_0028b/sync_depth_00045.png\n")
    file.write_text("path: tree\nformat: nyu-bts\nval: mine.txt\n")
    source = load_source(file)
    assert images(source, "val") == ["sync/kitchen_0028b/rgb_00045.jpg"] and not source.train  # never in both
    assert source.max_depth == 10 and root == source.root


def test_a_kept_coding_takes_the_users_scale(write, tmp_path):
    sunrgbd_folder(write, "kv1/NYUdata/NYU0001")
    (tmp_path / "data.yaml").write_text("path: tree\nformat: sunrgbd\ndepth_scale: 500\n")
    assert metres(load_source(tmp_path), "val") == pytest.approx(5)


def test_the_range_is_checked_with_the_formats_defaults(write, tmp_path):
    vkitti_frame(write, "Scene01", depth16(1234))
    (tmp_path / "data.yaml").write_text("path: tree\nformat: vkitti2\nmin_depth: 20\n")
    assert load_source(tmp_path).min_depth == 20  # below 80, not below the 10 of plain folders
    (tmp_path / "data.yaml").write_text("path: tree\nformat: vkitti2\nmin_depth: 90\n")
    with pytest.raises(DataError, match="min_depth 90 must be below max_depth 80"):
        load_source(tmp_path)


def test_unlabelled_images_go_with_a_format(write, tmp_path, make_pairs):
    vkitti_frame(write, "Scene01", depth16(1234))
    make_pairs(2, name="more")
    (tmp_path / "data.yaml").write_text("path: tree\nformat: vkitti2\nunlabeled: ../more\n")
    source = load_source(tmp_path)
    assert [item.extra for item in source.train] == [True, True] and len(source.val) == 1


def test_an_unknown_format_has_near_names(tmp_path):
    (tmp_path / "data.yaml").write_text("format: vkiti2\n")
    with pytest.raises(DataError, match=r"data\.yaml: format: vkiti2: no such format; did you mean vkitti2"):
        load_source(tmp_path)
    (tmp_path / "data.yaml").write_text("format: zzz\n")
    with pytest.raises(DataError, match=r"no such format; there are nyu-bts, .*hub"):
        load_source(tmp_path)
    (tmp_path / "data.yaml").write_text("columns: {image: rgb}\n")
    with pytest.raises(DataError, match=r"columns: goes with `format: hub`"):
        load_source(tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_tree_is_one_line_about_what_was_looked_for(name, tmp_path):
    (tmp_path / "data.yaml").write_text(f"format: {name}\n")
    for number in range(7):
        (tmp_path / f"folder{number}").mkdir()
    with pytest.raises(DataError) as caught:
        load_source(tmp_path)
    message = str(caught.value)
    assert f"no images of format {name}, which is {FORMATS[name].layout}" in message and "\n" not in message
    assert "there are data.yaml, folder0, folder1, folder2, folder3, folder4 and 2 more" in message


def test_images_without_any_depth_name_the_first(write, tmp_path):
    for number in (1, 2):
        frame = vkitti_frame(write, "Scene01", depth16(1), number=number)
        depth = frame.replace("rgb", "depth").replace(".jpg", ".png")
        (tmp_path / "tree" / depth).unlink()
    with pytest.raises(
        DataError, match=r"none of 2 can be used, the first: .*rgb_00001\.jpg: no vkitti_2\.0\.3_depth/"
    ):
        load_source(tmp_path / "tree")


def test_two_layouts_in_one_folder_are_not_guessed(write, tmp_path):
    nyu_tree(write)
    vkitti_frame(write, "Scene01", depth16(1))
    with pytest.raises(DataError, match=r"looks like nyu-bts and vkitti2; say which as `format:`"):
        load_source(tmp_path / "tree")


def test_plain_folders_are_not_recognised(make_pairs, write):
    root = make_pairs(3)
    assert recognise(root) is None
    source = load_source(root)
    assert (source.format, source.recognised) == (None, False)
    # Without its list of times, a folder of TUM is one of plain pairs.
    (root / "rgb.txt").write_text("")
    assert recognise(root) is None


def test_every_description_says_where_it_is_from():
    for known in FORMATS.values():
        assert known.layout and known.origin and known.signs and known.min_depth < known.max_depth, known.name


def test_names_with_a_leading_dot_are_left_alone(write, tmp_path):
    stem = diode_scan(write, "val", "indoors", 3.5)
    write(f"{Path(stem).parent}/._{Path(stem).name}.png", "what macOS leaves behind")
    source = load_source(tmp_path / "tree")
    assert images(source, "val") == [f"{stem}.png"] and not source.skipped
