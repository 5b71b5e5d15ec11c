"""Predict: images in, depth files and pictures out."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.config import PredictConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.data.files.images import read_image, reduced_from
from disdepth_cli.errors import DataError
from disdepth_cli.files import disk_errors
from disdepth_cli.observer import Observer
from disdepth_cli.outputs.depth_files import UNITS, write_depth_numpy, write_depth_png
from disdepth_cli.outputs.naming import output_stems, photographs
from disdepth_cli.outputs.pictures import check_colormap, colourise, side_by_side, write_image
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.reading import reading
from disdepth_cli.scoring.open_model import open_student


def predict(
    config: PredictConfig | None = None, *, observers: Sequence[Observer] = (), **options: Any
) -> dict[str, Any]:
    """Predict depth [m] of images and write `<stem>_depth.png`, `<stem>_color.png` and, if asked, `<stem>_depth.npy`.

    A relative student has no metres: its files are `<stem>_disparity.png` and `<stem>_disparity.npy`, 0 to 1.

    config, or its fields as keywords. Returns {"checkpoint", "kind", "unit", "scale", "results": [...], "errors":
    [...]}; a file that cannot be read is an entry of `errors`, the others are done all the same.

    Raises:
        DisdepthError: no image, no checkpoint, or not one image could be read.
    """
    config = config or build_config(PredictConfig, options)
    check_colormap(config.colormap)
    inputs = find_images(config.sources)
    checkpoint = config.checkpoint or "bundled"
    predictor = open_student(checkpoint, config.device, config.precision, config.revision, config.offline)
    with disk_errors(config.output):
        config.output.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    errors: list[str] = []
    for done, (file, stem) in enumerate(zip(inputs, output_stems(inputs), strict=True), start=1):
        try:
            image = read_image(file)
            size = reduced_from(file, image)
        except DataError as error:
            errors.append(str(error))
        else:
            depth = predictor.predict(image)
            for observer in observers if size is not None else ():
                observer.on_warning(
                    f"{file}: is {size} pixels, so large that its depth is made, and written, at "
                    f"{image.shape[0]}x{image.shape[1]}"
                )
            results.append({"image": str(file), **_write(config, stem, image, depth, predictor)})
        for observer in observers:
            observer.on_image(done, len(inputs))
    if not results:
        raise DataError(f"not one image could be read; the first reason: {errors[0]}")
    for observer in observers:
        for message in errors:
            observer.on_warning(message)
    return {
        "checkpoint": str(checkpoint),
        "kind": predictor.kind,
        "unit": "metres = stored / scale" if predictor.kind == "metric_depth" else UNITS[predictor.kind],
        "scale": results[0]["scale"],
        "results": results,
        "errors": errors,
    }


def find_images(sources: Sequence[str]) -> list[Path]:
    """The image files of paths, folders and patterns, in order, each once.

    Raises:
        DataError: a source that does not exist, or a folder without images.
    """
    files: list[Path] = []
    for source in sources:
        with reading(source, "is no place of images"):
            path = Path(source).expanduser()
            path.exists()
        if path.is_dir():
            found = photographs(list(path.iterdir()))
            if not found:
                raise DataError(f"{path}: a folder without images (what predict has written aside)")
        elif path.exists():
            found = [path]
        else:
            found = photographs([Path(name) for name in glob.glob(str(path))])
            if not found:
                raise DataError(f"{source}: no such image, folder or pattern")
        files += found
    return list(dict.fromkeys(files))


def _write(
    config: PredictConfig, stem: str, image: np.ndarray, depth: np.ndarray, predictor: DepthPredictor
) -> dict[str, Any]:
    """The files of one image."""
    metric = predictor.kind == "metric_depth"
    noun = "depth" if metric else "disparity"
    depth_file, picture_file = config.output / f"{stem}_{noun}.png", config.output / f"{stem}_color.png"
    scale = write_depth_png(depth_file, depth, predictor.max_depth, predictor.kind, stretch=False)
    # Disparity is large where depth is small: turned round, near things have the same colour either way.
    shown = depth if metric else predictor.max_depth - depth
    colour = colourise(shown, config.colormap, grayscale=config.grayscale, valid=np.isfinite(depth))
    write_image(picture_file, colour if config.pred_only else side_by_side(image, colour))
    written = {noun: str(depth_file), "color": str(picture_file)}
    if config.save_numpy:
        numpy_file = config.output / f"{stem}_{noun}.npy"
        write_depth_numpy(numpy_file, depth)
        written["numpy"] = str(numpy_file)
    low, high = round(float(depth.min()), 3), round(float(depth.max()), 3)
    return {**written, "scale": scale, **({"min_m": low, "max_m": high} if metric else {"min": low, "max": high})}
