"""Where a distilled student is better than its control: near or far, at edges or on planes, in scale or in shape.

    python benchmarks/where_gain.py data.yaml --pair CONTROL_0,STUDENT_0 --pair CONTROL_1,STUDENT_1 ...

A pair is two students (files or run folders) of one seed. Each row of the table is a mean over the val images, then
over the pairs, and the difference between the two with its 95 % interval over pairs. Ground truth alone says which
pixels are of an edge or of a plane; no camera is needed, since the inverse depth of a plane is affine in the pixel's
coordinates, whatever the focal length.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from gain import interval

from disdepth_cli.checkpoint.locate import student_file
from disdepth_cli.data.batches.loader import eval_loader
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.evaluation.metrics import scored_pixels
from disdepth_cli.evaluation.protocols import Protocol
from disdepth_cli.scoring.open_model import open_student
from disdepth_cli.scoring.score import protocol_of, val_items
from disdepth_cli.working_size import restore

JUMP = 1.15  # ratio of neighbouring depths from which there is an edge between them
NEAR_EDGE = 1 / 60  # of the image's height: how far from one a pixel is of the edge
WINDOW = 1 / 20  # of the image's height: the side of the squares that are of a plane or are not
FLAT = 0.01  # how far, relative, the inverse depth of a plane's square may lie from affine
ROWS = (
    *("near: rmse [m]", "middle: rmse [m]", "far: rmse [m]"),
    *("edges: rmse [m]", "planes: rmse [m]", "elsewhere: rmse [m]"),
    *("scale: |mean log error|", "shape: std of log error", "shape at edges", "shape on planes", "shape elsewhere"),
    *("planes: slope", "planes: bend"),
)


def main(
    data: Annotated[str, typer.Argument(help="data.yaml; its val is looked at")],
    pair: Annotated[list[str], typer.Option(help="two students, CONTROL,STUDENT; once a seed")],
) -> None:
    """Print a Markdown table."""
    pairs = [[scores(data, Path(name)) for name in both.split(",")] for both in pair]
    print("| what | share of pixels | control | student | difference | 95 % |\n|---|---|---|---|---|---|")
    share = pairs[0][0][1]
    for place, name in enumerate(ROWS):
        control, student = (np.array([both[one][0][place] for both in pairs]) for one in (0, 1))
        before = control.mean()
        if np.isnan(before):
            continue  # no val image has such a pixel
        low, high = (100 * end / before for end in interval((student - control).tolist()))
        part = f"{100 * share[place]:.0f} %" if share[place] else ""
        change = f"{100 * (student.mean() / before - 1):+.1f} % | {low:+.1f} to {high:+.1f} %"
        print(f"| {name} | {part} | {before:.4f} | {student.mean():.4f} | {change} |")


def scores(data: str, model: Path) -> tuple[np.ndarray, np.ndarray]:
    """Means over the val images: one value a row of the table, and its share of the scored pixels, 0 for a row that
    is of all of them."""
    source = load_source(data)
    predictor = open_student(student_file(model), "cpu", "fp32")
    protocol = protocol_of(source)
    rows, shares = [], []
    for item in eval_loader(val_items(source), source, predictor.working_size, 0):
        if item.depth is None:
            continue
        depth = restore(predictor.predict_unrestored(item.image, protocol.tta)[0], item.placement)
        height, width = item.depth.shape
        depth = cv2.resize(depth, (width, height), interpolation=cv2.INTER_LINEAR)
        row, share = image_rows(depth.clip(protocol.min_depth, protocol.max_depth), item.depth, protocol)
        rows.append(row)
        shares.append(share)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no image has such a pixel: NaN
        return np.nanmean(rows, axis=0), np.mean(shares, axis=0)


def image_rows(depth: np.ndarray, truth: np.ndarray, protocol: Protocol) -> tuple[list[float], list[float]]:
    """The table's values of one image, NaN where it has none, and their shares; depth and truth (H, W) [m]."""
    valid = scored_pixels(truth, protocol)
    safe = np.where(valid, truth, 1.0).astype(np.float64)
    edges, (planes, slope, bend) = edge_pixels(safe, valid), plane_squares(depth.astype(np.float64), safe, valid)
    planes &= ~edges
    quarter, half = protocol.buckets
    depths = [valid & (truth < quarter), valid & (truth >= quarter) & (truth < half), valid & (truth >= half)]
    parts = [valid & edges, planes, valid & ~edges & ~planes]
    error, logs = depth - safe, np.log(depth) - np.log(safe)
    mean = logs[valid].mean()
    values = [_root(error, where) for where in (*depths, *parts)]
    values += [abs(mean), _root(logs - mean, valid), *(_root(logs - mean, where) for where in parts), slope, bend]
    sizes = [where.sum() / valid.sum() for where in (*depths, *parts)]
    return values, [*sizes, 0, 0, *sizes[3:], 0, 0]


def edge_pixels(truth: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(H, W) bool: near a jump between two neighbours that both have depth."""
    jumps = np.zeros(truth.shape, np.uint8)
    logs = np.log(truth)
    for axis in (0, 1):
        one, other = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        jump = (np.abs(logs[one] - logs[other]) > np.log(JUMP)) & valid[one] & valid[other]
        jumps[one] |= jump
        jumps[other] |= jump
    reach = 2 * max(round(NEAR_EDGE * truth.shape[0]), 1) + 1
    return cv2.dilate(jumps, np.ones((reach, reach), np.uint8)) > 0


def plane_squares(depth: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Pixels (H, W) of squares where the truth is a plane; how far the prediction's slope there is from the truth's,
    and how far it is from a plane itself: both relative to its depth, over a square, RMS over the squares."""
    side = max(round(WINDOW * truth.shape[0]), 4)
    whole = squares(valid, side).all(axis=1)
    affine = np.stack([np.ones(side * side), *np.mgrid[:side, :side].reshape(2, -1) / side - 0.5], axis=1)
    fitted = []
    for inverse in (1 / squares(truth, side), 1 / squares(depth, side)):
        solved = inverse @ np.linalg.pinv(affine).T
        rest = (inverse - solved @ affine.T) / solved[:, :1]
        fitted.append((solved[:, 1:] / solved[:, :1], np.sqrt((rest**2).mean(axis=1))))
    (slope, bend), (their_slope, their_bend) = fitted
    flat = whole & (bend < FLAT)
    rows, columns = (size // side for size in truth.shape)
    pixels = np.zeros(truth.shape, bool)
    pixels[: rows * side, : columns * side] = np.kron(flat.reshape(rows, columns), np.ones((side, side))) > 0
    if not flat.any():
        return pixels, np.nan, np.nan
    off = ((their_slope - slope)[flat] ** 2).sum(axis=1).mean() ** 0.5
    return pixels, float(off), float((their_bend[flat] ** 2).mean() ** 0.5)


def squares(image: np.ndarray, side: int) -> np.ndarray:
    """(H, W) -> (N, side * side): the squares that tile it, row by row; what is left over is not looked at."""
    rows, columns = (size // side for size in image.shape)
    tiles = image[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return tiles.transpose(0, 2, 1, 3).reshape(rows * columns, side * side)


def _root(error: np.ndarray, where: np.ndarray) -> float:
    return float((error[where] ** 2).mean() ** 0.5) if where.any() else np.nan


if __name__ == "__main__":
    typer.run(main)
