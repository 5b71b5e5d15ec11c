"""A teacher's error on training views, by how it is shown them: which of the ways a teacher should get.

    python benchmarks/teacher_views.py TEACHER DATA [--count 53] [--split val] [--size HxW]

view: as it is, brought to the multiple that the teacher takes. stretched: to its working size, whatever it is.
mirrored: out to the student's working size, then cut again. whole: the whole image once, its depth cut to the view.
Each line has the mean relative error and RMSE [m] against the view's labels, and the median ratios to the labels and to
`whole`.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from disdepth_cli.config import AugmentConfig
from disdepth_cli.config.types import parse_size
from disdepth_cli.data.batches.loader import TrainDataset
from disdepth_cli.data.batches.origin import Origins, WholeImage
from disdepth_cli.data.batches.views import TrainView, default_crop
from disdepth_cli.data.files.item import few_labelled
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.scoring.score import protocol_of
from disdepth_cli.teachers import DepthTeacher, load_teacher
from disdepth_cli.teachers.teacher import cut, resize_view
from disdepth_cli.types import DepthBatch, DepthSample, StoredBatch
from disdepth_cli.working_size import WorkingSize

REFERENCE = (480, 640)


def ways(teacher: DepthTeacher, batch: DepthBatch, working: WorkingSize, key: str) -> dict[str, Tensor]:
    """Depth (1, H, W) of a view, by how it was shown."""
    view, contract = batch.image, teacher.contract
    size = (view.shape[-2], view.shape[-1])
    own = (contract.working_size.height, contract.working_size.width)

    def back(depth: Tensor | None) -> Tensor:
        assert depth is not None
        return F.interpolate(depth, size=size, mode="bilinear", align_corners=False)[0]

    below, right = working.height - size[0], working.width - size[1]
    edges = (right // 2, right - right // 2, below // 2, below - below // 2)
    out = resize_view(F.pad(view, edges, mode="reflect"), own)
    mirrored = teacher.infer(out).depth
    assert batch.origin is not None and mirrored is not None
    mirrored = F.interpolate(mirrored, size=(working.height, working.width), mode="bilinear", align_corners=False)
    mirrored = mirrored[..., edges[2] : edges[2] + size[0], edges[0] : edges[0] + size[1]]
    whole = teacher.infer(batch.origin.whole[key][0][None].float() / 255)
    whole.features = []
    found = cut(whole, batch.origin, size, (), contract.kind).depth
    assert found is not None
    stretched = back(teacher.infer(resize_view(view, own)).depth)
    depths = {"stretched": stretched, "mirrored": mirrored[0], "whole": found[0]}
    return ({} if contract.fixed_size else {"view": back(teacher.infer(view).depth)}) | depths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher")
    parser.add_argument("data")
    parser.add_argument("--count", type=int, default=53)
    parser.add_argument("--split", default="val")
    parser.add_argument("--size", type=parse_size, default=(240, 320))
    parser.add_argument("--scale", type=float, default=1.15)
    args = parser.parse_args()
    source, teacher, working = load_source(args.data), load_teacher(args.teacher), WorkingSize(*args.size)
    border = protocol_of(source).training_box
    crop = default_crop(working, border, REFERENCE)
    augment = AugmentConfig(flip=0.0, scale=args.scale, colour_probability=0.0)
    view = TrainView(augment, crop, working, border, 0, source.min_depth, source.max_depth)
    items = few_labelled(source.items(args.split), args.count)[: args.count]
    dataset = TrainDataset(items, source, view, Origins({"whole": WholeImage(teacher.contract.working_size)}))
    rows: dict[str, list[tuple[float, ...]]] = {}
    with torch.no_grad():
        for index in range(len(items)):
            sample = dataset[(0, index)]
            if not isinstance(sample, DepthSample):
                continue
            batch = StoredBatch.collate([sample]).to(torch.device("cpu"))
            seen, valid, truth = ways(teacher, batch, working, "whole"), batch.valid[0], batch.depth[0]
            for way, depth in seen.items():
                depth = depth.clamp(source.min_depth, source.max_depth)
                error = (depth - truth)[valid]
                rows.setdefault(way, []).append(
                    (
                        float((error.abs() / truth[valid]).mean()),
                        float(error.square().mean().sqrt()),
                        float((depth / truth)[valid].median()),
                        float((depth / seen["whole"]).median()),
                    )
                )
    print(f"{teacher.contract.id}: {len(items)} {args.split} views of {crop[0]}x{crop[1]}, zoom up to {args.scale:g}")
    for way, found in rows.items():
        figures = np.array(found)
        error, rmse = figures[:, :2].mean(axis=0)
        labels, whole = np.median(figures[:, 2:], axis=0)
        print(f"{way:10s} abs_rel {error:.4f}  rmse {rmse:.4f}  of the labels {labels:.3f}  of the whole {whole:.3f}")


if __name__ == "__main__":
    main()
