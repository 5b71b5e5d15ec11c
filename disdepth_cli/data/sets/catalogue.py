"""The published data sets that are read as they come: one short description each.

`layout` says what is looked for, `origin` where its conventions come from. How a kind of layout is read stands in
`layouts`, who is train and who val in `splits`, what stored numbers mean in `data/files/depth_coding`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.data.sets.format import Format
from disdepth_cli.data.sets.layouts import ByTime, Listed, MatlabFile, Paired
from disdepth_cli.data.sets.patterns import Folders
from disdepth_cli.data.sets.splits import AllVal, ByFolder, FrameTable, HeldOut, MatlabFolders, SceneLists
from disdepth_cli.errors import DataError, near_names


def get_format(name: str) -> Format:
    """The format of that name.

    Raises:
        DataError: there is none; the message names near ones, or all.
    """
    if name not in FORMATS:
        hint = near_names(name, [*FORMATS, HUB]) or f"; there are {', '.join([*FORMATS, HUB])}"
        raise DataError(f"format: {name}: no such format{hint}")
    return FORMATS[name]


def recognise(folder: Path) -> Format | None:
    """The one format that a folder unmistakably has, if any.

    Raises:
        DataError: it has the signs of several.
    """
    folders = Folders()
    seen = [known for known in FORMATS.values() if known.root(folder, folders) is not None]
    names = {known.name for known in seen}
    seen = [known for known in seen if known.part_of not in names]
    if len(seen) > 1:
        these = " and ".join(known.name for known in seen)
        raise DataError(f"{folder}: looks like {these}; say which as `format:` in a data.yaml there")
    return seen[0] if seen else None


HUB = "hub"

_NYU_BTS = Format(
    name="nyu-bts",
    layout="nyudepthv2_{train,test}_files_with_gt.txt (there or in train_test_inputs/) over sync/ and "
    "official_splits/test/",
    origin="cleinc/bts: utils/ and train_test_inputs/; the train list's entries begin with a slash",
    signs=(("nyudepthv2_*_files_with_gt.txt",), ("train_test_inputs/nyudepthv2_*_files_with_gt.txt",)),
    files=Listed(
        train=("nyudepthv2_train_files_with_gt.txt",),
        val=("nyudepthv2_test_files_with_gt.txt",),
        train_folders=("sync", "nyu_depth_v2/sync", ""),
        val_folders=("official_splits/test", "nyu_depth_v2/official_splits/test", ""),
    ),
    coding=DepthCoding(1000),
    max_depth=10,
    protocol="nyu-eigen",
)
_NYU_MAT = Format(
    name="nyu-mat",
    layout="nyu_depth_v2_labeled.mat and splits.mat",
    origin="cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html. Train takes `depths`, whose holes are filled; val takes "
    "`rawDepths` (0 = no measurement), as the field's test images do (cleinc/bts, "
    "extract_official_train_test_set_from_mat.py, which also blackens the white border)",
    signs=(("nyu_depth_v2_labeled.mat",),),
    files=MatlabFile(
        file="nyu_depth_v2_labeled.mat",
        splits="splits.mat",
        images="images",
        depth="depths",
        val_depth="rawDepths",
        train_rows="trainNdxs",
        val_rows="testNdxs",
    ),
    coding=DepthCoding(1),
    max_depth=10,
    protocol="nyu-eigen",
)
_ANNOTATED = ("data_depth_annotated/", "data_depth_annotated/train/", "data_depth_annotated/val/")
_KITTI_FOLDERS = tuple(
    prefix + date for prefix in ("", *_ANNOTATED, "train/", "val/", "raw/", "kitti_raw/") for date in ("", "{date}/")
)
_KITTI = Format(
    name="kitti",
    layout="eigen_{train,test}_files_with_gt.txt (there, in train_test_inputs/ or data_splits/) over 2011_09_26/..., "
    "raw/2011_09_26/... and data_depth_annotated/ (with or without its train/ and val/)",
    origin="cvlibs.net/datasets/kitti: raw data and annotated depth (stored 0 = none); lists of cleinc/bts, where "
    "depth lacks the date folder and `None` rows have no depth",
    signs=tuple(
        (f"{prefix}{kitti}eigen_*_files_with_gt.txt",)
        for prefix in ("", "train_test_inputs/", "data_splits/")
        for kitti in ("", "kitti_")
    ),
    files=Listed(
        train=("eigen_train_files_with_gt.txt", "kitti_eigen_train_files_with_gt.txt"),
        val=("eigen_test_files_with_gt.txt", "kitti_eigen_test_files_with_gt.txt"),
        train_folders=_KITTI_FOLDERS,
        val_folders=_KITTI_FOLDERS,
    ),
    coding=DepthCoding(256),
    max_depth=80,
    protocol="kitti-eigen-garg",
)
_KITTI_VAL = Format(
    name="kitti-val-selection",
    layout="depth_selection/val_selection_cropped/image/*_sync_image_*.png and groundtruth_depth/",
    origin="cvlibs.net/datasets/kitti/eval_depth_all.php: manually selected validation set (1000 images)",
    signs=(("image/*_sync_image_*.png", "groundtruth_depth/*_sync_groundtruth_depth_*.png"),),
    files=Paired(
        image="image/{drive}_sync_image_{frame}.png",
        depth=("groundtruth_depth/{drive}_sync_groundtruth_depth_{frame}.png",),
        split=AllVal(),
    ),
    coding=DepthCoding(256),
    max_depth=80,
    protocol="kitti-official-val",
    bases=("", "val_selection_cropped", "depth_selection/val_selection_cropped"),
)


def _diode(domain: str) -> Paired:
    scan = f"{{split}}/{domain}/{{scene}}/{{scan}}/{{name}}"
    return Paired(f"{scan}.png", (f"{scan}_depth.npy",), ByFolder("split"), masks=(f"{scan}_depth_mask.npy",))


_DIODE = Format(
    name="diode",
    layout="{train,val}/{indoors,outdoor}/scene_*/scan_*/*.png with *_depth.npy and *_depth_mask.npy",
    origin="diode-dataset.org and its devkit: metres, (h, w, 1); a mask of 0 is no measurement",
    signs=(("val/indoors/scene_*", "val/outdoor/scene_*"), ("train/indoors/scene_*", "train/outdoor/scene_*")),
    files=_diode("{domain}"),
    coding=DepthCoding(1),
    max_depth=80,
)
_DIODE_INDOOR = replace(
    _DIODE,
    name="diode-indoor",
    layout=_DIODE.layout.replace("{indoors,outdoor}", "indoors"),
    signs=(("val/indoors/scene_*",), ("train/indoors/scene_*",)),
    files=_diode("indoors"),
    max_depth=10,
    protocol="diode-indoor",
    part_of="diode",
)
_DIODE_OUTDOOR = replace(
    _DIODE,
    name="diode-outdoor",
    layout=_DIODE.layout.replace("{indoors,outdoor}", "outdoor"),
    signs=(("val/outdoor/scene_*",), ("train/outdoor/scene_*",)),
    files=_diode("outdoor"),
    protocol="diode-outdoor",
    part_of="diode",
)
_VKITTI2 = Format(
    name="vkitti2",
    layout="vkitti_2.0.3_rgb/SceneXX/VARIATION/frames/rgb/Camera_X/rgb_XXXXX.jpg and "
    "vkitti_2.0.3_depth/SceneXX/VARIATION/frames/depth/Camera_X/depth_XXXXX.png",
    origin="europe.naverlabs.com/proxy-virtual-worlds-vkitti-2: centimetres, 65535 (655.35 m) is the sky. There is no "
    "official split: Scene02 is val",
    signs=(("vkitti_2.0.3_rgb/Scene*", "vkitti_2.0.3_depth/Scene*"),),
    files=Paired(
        image="vkitti_2.0.3_rgb/{scene}/{variation}/frames/rgb/{camera}/rgb_{frame}.jpg",
        depth=("vkitti_2.0.3_depth/{scene}/{variation}/frames/depth/{camera}/depth_{frame}.png",),
        split=HeldOut("scene", ("Scene02",)),
    ),
    coding=DepthCoding(100, invalid=(65535,)),
    max_depth=80,
    protocol="vkitti2",
)
_HYPERSIM_FILES = Paired(
    image="{scene}/images/scene_{camera}_final_preview/frame.{frame}.tonemap.jpg",
    depth=("{scene}/images/scene_{camera}_geometry_hdf5/frame.{frame}.depth_meters.hdf5",),
    split=FrameTable("metadata_images_split_scene_v1.csv"),
    inside="dataset",
)
_HYPERSIM = Format(
    name="hypersim",
    layout="ai_*/images/scene_cam_*_final_preview/frame.*.tonemap.jpg and "
    "scene_cam_*_geometry_hdf5/frame.*.depth_meters.hdf5",
    origin="apple/ml-hypersim: metres from the camera's centre, NaN = none; split in "
    "metadata_images_split_scene_v1.csv, there or one folder up (val is its val; hypersim-test: its test). "
    "The focal length that the field takes for all: 886.81 pixels of 1024",
    signs=(("ai_*_*/images/scene_cam_*_geometry_hdf5",),),
    files=_HYPERSIM_FILES,
    coding=DepthCoding(1, "along-ray", focal_share=886.81 / 1024),
    max_depth=20,
    protocol="hypersim",
)
_HYPERSIM_TEST = replace(
    _HYPERSIM,
    name="hypersim-test",
    files=replace(_HYPERSIM_FILES, split=FrameTable("metadata_images_split_scene_v1.csv", val="test")),
    part_of="hypersim",
)
_SUNRGBD = Format(
    name="sunrgbd",
    layout="SUNRGBD/{kv1,kv2,realsense,xtion}/.../image/*.jpg with depth_bfx/ or depth/ beside image/",
    origin="rgbd.cs.princeton.edu, SUNRGBDtoolbox/readData/read3dPoints.m: millimetres with bits rotated left by 3. "
    "(Read as stored / 8000 it is the same below 8.192 m.) Split: SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat",
    signs=(("kv1/NYUdata",), ("kv1/b3dodata",), ("kv2/kinect2data",), ("xtion/sun3ddata",), ("realsense/lg",)),
    files=Paired(
        image="{folder:path}/image/{frame}.jpg",
        depth=("{folder:path}/depth_bfx/*.png", "{folder:path}/depth/*.png"),
        split=MatlabFolders("folder", "SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat"),
    ),
    coding=DepthCoding(1000, rotated=True),
    max_depth=10,
    protocol="sunrgbd",
    bases=("", "SUNRGBD"),
)
_TUM = Format(
    name="tum",
    layout="rgb.txt and depth.txt (time and file a line), in the folder or in one of every sequence",
    origin="cvg.cit.tum.de/data/datasets/rgbd-dataset: stored / 5000; times within 0.02 s, as its associate.py",
    signs=(("rgb.txt", "depth.txt"), ("*/rgb.txt", "*/depth.txt")),
    files=ByTime("rgb.txt", "depth.txt", within=0.02, split=HeldOut("sequence")),
    coding=DepthCoding(5000),
    max_depth=10,
)
_SCANNET = Format(
    name="scannet",
    layout="scene*/color/*.jpg and scene*/depth/*.png",
    origin="ScanNet/ScanNet, SensReader: millimetres, depth 640x480 under images of 1296x968. Split: "
    "scannetv2_train.txt and scannetv2_val.txt, there or one folder up",
    signs=(("scene*_*/color", "scene*_*/depth"),),
    files=Paired(
        image="{scene}/color/{frame}.jpg",
        depth=("{scene}/depth/{frame}.png",),
        split=SceneLists("scene", "scannetv2_train.txt", "scannetv2_val.txt"),
    ),
    coding=DepthCoding(1000),
    max_depth=10,
    bases=("", "scans"),
)
_IBIMS = Format(
    name="ibims",
    layout="ibims1_core_raw/{rgb,depth,mask_invalid,mask_transp}/*.png",
    origin="iBims-1 (TUM): stored * 50 / 65535 m; invalid and transparent pixels are 0 in the masks",
    signs=(("rgb/*.png", "depth/*.png", "mask_invalid/*.png", "mask_transp/*.png"),),
    files=Paired(
        image="rgb/{name}.png",
        depth=("depth/{name}.png",),
        split=AllVal(),
        masks=("mask_invalid/{name}.png", "mask_transp/{name}.png"),
    ),
    coding=DepthCoding(65535 / 50),
    max_depth=50,
    protocol="ibims",
    bases=("", "ibims1_core_raw"),
)

FORMATS = {
    known.name: known
    for known in (
        *(_NYU_BTS, _NYU_MAT, _KITTI, _KITTI_VAL, _DIODE, _DIODE_INDOOR, _DIODE_OUTDOOR, _VKITTI2),
        *(_HYPERSIM, _HYPERSIM_TEST, _SUNRGBD, _TUM, _SCANNET, _IBIMS),
    )
}
