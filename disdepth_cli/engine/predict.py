"""Predict: images and videos in, depth out; files, pictures and points where a folder is named."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from disdepth_cli.config import PredictConfig
from disdepth_cli.data.files.images import read_image, reduced_from
from disdepth_cli.data.files.workers import map_ahead
from disdepth_cli.depth.colours import check_colormap
from disdepth_cli.depth.depth import Depth
from disdepth_cli.errors import DataError
from disdepth_cli.files import disk_errors
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.outputs.naming import output_stems, photographs
from disdepth_cli.outputs.predictions import Prediction, PredictResult, write_prediction
from disdepth_cli.outputs.space import camera_of, check_points, needs_camera, notes_on_cameras
from disdepth_cli.outputs.video.videos import predict_videos, split_sources
from disdepth_cli.predictor import Predictor
from disdepth_cli.reading import read_bytes, reading
from disdepth_cli.scoring.backend import open_in_runtime

THREADS = 2  # that decode ahead of the model, and as many that write behind it


def predict(config: PredictConfig, observer: Observer = SILENT) -> PredictResult:
    """Predict the depth of images; where `config.output` is a folder, write it into files there.

    Raises:
        DisdepthError: no image, no such model, or not one image could be read.
    """
    check_colormap(config.colormap)
    others, videos = split_sources(config)
    inputs = find_images(others)
    predictor = open_in_runtime(
        config.model, config.backend, config.device, config.precision, config.revision, config.offline, observer
    )
    check_points(config, predictor.kind)
    if config.output is not None:
        with disk_errors(config.output):
            config.output.mkdir(parents=True, exist_ok=True)
    results: list[Prediction] = []
    errors: list[str] = []
    finish = partial(_finish, config)
    for done, found in enumerate(map_ahead(finish, _depths(predictor, inputs, observer), THREADS), start=1):
        if isinstance(found, Prediction):
            results.append(found)
        else:
            errors.append(found)
        observer.on_image(done, len(inputs))
    clips = predict_videos(config, predictor, videos, errors, observer)
    if not results and not clips:
        raise DataError(f"not one image could be read; the first reason: {errors[0]}")
    for message in (*errors, *notes_on_cameras([*(one.camera for one in results), *(one.camera for one in clips)])):
        observer.on_warning(message)
    return PredictResult(config.model, predictor.kind, results, errors, clips)


@dataclass(frozen=True)
class _Image:
    """An image (H, W, 3) uint8 and its depth; or why there is none."""

    file: Path
    stem: str
    image: np.ndarray | None = None
    depth: Depth | None = None
    error: str = ""


def _depths(predictor: Predictor, inputs: Sequence[Path], observer: Observer) -> Iterator[_Image]:
    """Run the model on each image, in this thread; the images are decoded ahead in others."""
    for found in map_ahead(_read, zip(inputs, output_stems(inputs), strict=True), THREADS):
        if found.image is None:
            yield found
            continue
        size = reduced_from(found.file, found.image)
        if size is not None:
            observer.on_warning(
                f"{found.file}: is {size} pixels, so large that its depth is made, and written, at "
                f"{found.image.shape[0]}x{found.image.shape[1]}"
            )
        try:
            yield replace(found, depth=predictor.predict_depth(found.image))
        except DataError as error:  # an exported file takes some sizes only
            yield replace(found, error=f"{found.file}: {error}")


def _read(named: tuple[Path, str]) -> _Image:
    file, stem = named
    try:
        return _Image(file, stem, read_image(file))
    except DataError as error:
        return _Image(file, stem, error=str(error))


def _finish(config: PredictConfig, found: _Image) -> Prediction | str:
    """The prediction of one image, its files written where they are wanted; or why there is none.

    Called in several threads at once.
    """
    if found.image is None or found.depth is None:
        return found.error
    depth = found.depth
    known = depth.values[np.isfinite(depth.values)]
    if not known.size:
        return f"{found.file}: the model gives no finite depth"
    low, high = round(float(known.min()), 3), round(float(known.max()), 3)
    if config.output is None:
        return Prediction(found.file, depth.kind, low, high, None, depth)
    try:
        stored = read_bytes(found.file, of_pixels=True) if needs_camera(config) else b""
        camera = camera_of(config, found.image, stored) if needs_camera(config) else None
        written = write_prediction(config, found.stem, found.image, depth, camera)
    except DataError as error:  # the camera does not fit, or there is no point
        return f"{found.file}: {error}"
    return Prediction(found.file, depth.kind, low, high, written)


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
