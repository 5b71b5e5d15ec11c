"""Predict: images in, depth files and pictures out."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from disdepth_cli.config import PredictConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.data.files.images import read_image
from disdepth_cli.data.files.workers import map_ahead
from disdepth_cli.data.sets.listing import IMAGE_SUFFIXES
from disdepth_cli.errors import DataError
from disdepth_cli.files import disk_errors
from disdepth_cli.observer import Observer
from disdepth_cli.outputs.depth_files import UNITS, write_depth_numpy, write_depth_png
from disdepth_cli.outputs.naming import output_stems
from disdepth_cli.outputs.pictures import check_colormap, colourise, side_by_side, write_image
from disdepth_cli.predictor import Predictor
from disdepth_cli.scoring.backend import open_elsewhere

THREADS = 2  # that decode ahead of the model, and as many that write behind it


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
    predictor = _open(config, str(checkpoint), observers)
    with disk_errors(config.output):
        config.output.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    errors: list[str] = []
    write = partial(_write, config, predictor)
    for done, written in enumerate(map_ahead(write, _predictions(predictor, inputs), THREADS), start=1):
        if isinstance(written, str):
            errors.append(written)
        else:
            results.append(written)
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


def _open(config: PredictConfig, model: str, observers: Sequence[Observer]) -> Predictor:
    """The student in the runtime that was asked for. PyTorch is not imported where another one runs it."""
    how = config.device, config.precision, config.revision, config.offline
    elsewhere = open_elsewhere(model, config.backend, *how, observers)
    if elsewhere is not None:
        return elsewhere
    from disdepth_cli.scoring.open_model import open_student

    return open_student(model, *how)


def find_images(sources: Sequence[str]) -> list[Path]:
    """The image files of paths, folders and patterns, in order, each once.

    Raises:
        DataError: a source that does not exist, or a folder without images.
    """
    files: list[Path] = []
    for source in sources:
        path = Path(source).expanduser()
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if not found:
                raise DataError(f"{path}: a folder without images")
        elif path.exists():
            found = [path]
        else:
            found = [Path(p) for p in sorted(glob.glob(source)) if Path(p).suffix.lower() in IMAGE_SUFFIXES]
            if not found:
                raise DataError(f"{source}: no such image, folder or pattern")
        files += found
    return list(dict.fromkeys(files))


class _Prediction(NamedTuple):
    """depth (H, W) of an image (H, W, 3) uint8; or why there is none."""

    file: Path
    stem: str
    image: np.ndarray | None = None
    depth: np.ndarray | None = None
    error: str = ""


def _predictions(predictor: Predictor, inputs: Sequence[Path]) -> Iterator[_Prediction]:
    """Run the model on each image, in this thread; the images are decoded ahead in others."""
    for found in map_ahead(_read, zip(inputs, output_stems(inputs), strict=True), THREADS):
        if found.image is None:
            yield found
            continue
        try:
            yield found._replace(depth=predictor.predict(found.image))
        except DataError as error:  # an exported file takes some sizes only
            yield found._replace(error=f"{found.file}: {error}")


def _read(named: tuple[Path, str]) -> _Prediction:
    file, stem = named
    try:
        return _Prediction(file, stem, read_image(file))
    except DataError as error:
        return _Prediction(file, stem, error=str(error))


def _write(config: PredictConfig, predictor: Predictor, found: _Prediction) -> dict[str, Any] | str:
    """Write the files of one image and say which; or why there are none. Called in several threads at once."""
    image, depth, stem = found.image, found.depth, found.stem
    if image is None or depth is None:
        return found.error
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
    written = {"image": str(found.file), **written}
    return {**written, "scale": scale, **({"min_m": low, "max_m": high} if metric else {"min": low, "max": high})}
