"""Predict: images and videos in, depth out; files, pictures and points where a folder is named."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from disdepth_cli.config import PredictConfig
from disdepth_cli.data.files.images import decode_named, reduced_from
from disdepth_cli.data.files.workers import map_ahead
from disdepth_cli.depth.depth import Depth
from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.files import disk_errors
from disdepth_cli.inputs.download import STDIN, stop_downloads
from disdepth_cli.inputs.find import ImageSource, find_images
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.outputs.naming import output_names
from disdepth_cli.outputs.predictions import (
    Prediction,
    PredictResult,
    Span,
    check_outputs,
    send_prediction,
    write_picture,
    write_prediction,
)
from disdepth_cli.outputs.space import camera_of, check_points, needs_camera, notes_on_cameras
from disdepth_cli.outputs.video.videos import predict_videos, split_sources
from disdepth_cli.predictor import Predictor, of_one_size
from disdepth_cli.scoring.backend import open_in_runtime

NAMED = 3  # images that a line names
THREADS = min(max((os.cpu_count() or 1) // 2, 2), 8)  # that decode ahead of the model, and as many that write behind it


def predict(config: PredictConfig, observer: Observer = SILENT) -> PredictResult:
    """Predict the depth of images; where `config.output` is a folder, write it into files there.

    Raises:
        DisdepthError: no image, no such model, or nothing could be predicted.
    """
    check_outputs(config)
    others, videos = split_sources(config, observer)
    sources = find_images(others, config.offline)
    if config.range == "shared":  # each image is read twice, but fetched once
        sources = [one if one.lies_here else replace(one, read=cache(one.read)) for one in sources]
    names = output_names(sources, None if config.to_stdout() else config.output)
    if config.to_stdout() and (videos or len(sources) > 1):
        given = "a video is given" if videos else f"there are {len(sources)}"
        raise ConfigError(f"--output -: takes one image, and {given}; name a folder")
    predictor = open_in_runtime(
        config.model, config.backend, config.device, config.precision, config.revision, config.offline, observer
    )
    check_points(config, predictor.kind)
    if config.output is not None and not config.to_stdout():
        with disk_errors(config.output):
            config.output.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    try:
        done, errors = _predict_images(config, predictor, sources, names, observer)
    except KeyboardInterrupt:
        stop_downloads()
        raise
    told = len(errors) if done else 0
    for message in errors[:told]:  # before the videos, which Ctrl-C may end
        observer.on_warning(message)
    clips = predict_videos(config, predictor, videos, errors, observer)
    if not done and not clips:
        for message in errors[1:]:
            observer.on_warning(message)
        raise DataError(f"not one {'image' if sources else 'video'} could be predicted; the first reason: {errors[0]}")
    seconds = round(time.perf_counter() - began, 3)
    result = PredictResult(config.model, predictor.kind, [one.prediction for one in done], errors, clips, seconds)
    for message in (*errors[told:], *notes_on_cameras(result.cameras()), *_note_on_unlike(done)):
        observer.on_warning(message)
    if len(sources) + len(videos) > 1 or config.to_stdout():
        observer.on_note(result.summary())
    return result


def _predict_images(
    config: PredictConfig, predictor: Predictor, sources: list[ImageSource], names: list[str], observer: Observer
) -> tuple[list[_Done], list[str]]:
    """What was written, and a line for each image that could not be predicted."""
    done: list[_Done] = []
    errors: list[str] = []
    images = _depths(predictor, zip(map(_in_hand, sources), names, strict=True), observer)
    for count, found in enumerate(map_ahead(partial(_finish, config), images, THREADS), start=1):
        if isinstance(found, _Done):
            done.append(found)
        else:
            errors.append(found)
        observer.on_image(count, len(sources))
    if config.range == "shared" and done:
        errors += _draw_in_one_range(config, done)
    return done, errors


def _in_hand(source: ImageSource) -> ImageSource:
    """Standard input is read here, in the main thread, which Ctrl-C reaches."""
    if source.name != STDIN:
        return source
    try:
        data = source.read()
    except DataError as error:
        return replace(source, read=partial(_raise, error))
    return replace(source, read=lambda: data)


def _raise(error: DataError) -> bytes:
    raise error


@dataclass(frozen=True)
class _Image:
    """An image (H, W, 3) uint8 and its depth; or why there is none.

    stored: the bytes that it was decoded from. warning: what its depth lacks.
    """

    source: ImageSource
    name: str
    image: np.ndarray | None = None
    depth: Depth | None = None
    stored: bytes = b""
    error: str = ""
    warning: str = ""


@dataclass(frozen=True)
class _Done:
    """An image whose files are written, its picture apart where all pictures share one range."""

    source: ImageSource
    prediction: Prediction
    span: Span


def _depths(predictor: Predictor, named: Iterator[tuple[ImageSource, str]], observer: Observer) -> Iterator[_Image]:
    """Run the model on the images, in this thread; they are decoded ahead in others."""
    for group in of_one_size(map_ahead(_read, named, THREADS), predictor.at_once, _size):
        for message in (one.warning for one in group if one.warning):
            observer.on_warning(message)
        images = [one.image for one in group if one.image is not None]
        if not images:
            yield from group
            continue
        try:
            depths = predictor.predict_several(images)
        except DataError as error:  # an exported file takes some sizes only
            yield from (replace(one, error=f"{one.source.name}: {error}") for one in group)
        else:
            yield from (replace(one, depth=depth) for one, depth in zip(group, depths, strict=True))


def _size(found: _Image) -> tuple[int, ...] | None:
    return None if found.image is None else found.image.shape


def _read(named: tuple[ImageSource, str]) -> _Image:
    source, name = named
    try:
        data = source.read()
        image = decode_named(data, source.name)
    except DataError as error:
        return _Image(source, name, error=str(error))
    size, warning = reduced_from(data, image), ""
    if size is not None:
        made = f"{image.shape[0]}x{image.shape[1]}"
        warning = f"{source.name}: is {size} pixels, so large that its depth is made, and written, at {made}"
    return _Image(source, name, image, stored=data, warning=warning)


def _finish(config: PredictConfig, found: _Image) -> _Done | str:
    """The prediction of one image, its files written where they are wanted; or why there is none.

    Called in several threads at once.
    """
    if found.image is None or found.depth is None:
        return found.error
    depth = found.depth
    known = depth.values[np.isfinite(depth.values)]
    if not known.size:
        return f"{found.source.name}: the model gives no finite depth"
    low, high = round(float(known.min()), 3), round(float(known.max()), 3)
    unlike = None if depth.unlike is None else round(depth.unlike, 2)
    prediction = Prediction(found.source.image, depth.kind, low, high, None, unlike, depth)
    if config.output is None:
        return _Done(found.source, prediction, (low, high))
    if config.to_stdout():
        return _Done(found.source, replace(prediction, written=send_prediction(depth)), (low, high))
    try:
        camera = camera_of(config, found.image, found.stored) if needs_camera(config) else None
        written, span = write_prediction(config, found.name, found.image, depth, camera)
    except DataError as error:  # the camera does not fit, or there is no point
        return f"{found.source.name}: {error}"
    return _Done(found.source, replace(prediction, written=written, _depth=None), span)


def _note_on_unlike(done: Sequence[_Done]) -> list[str]:
    """One line that names the images which are unlike those that the student was trained on."""
    names = [one.source.name for one in done if (one.prediction.unlike or 0) > 1]
    if not names:
        return []
    some = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    count = "" if len(done) == 1 else f"{len(names)} of {len(done)} images: "
    return [f"unlike the student's training images, so the depth may be wrong: {count}{some}"]


def _draw_in_one_range(config: PredictConfig, done: Sequence[_Done]) -> list[str]:
    """Write the pictures in one range, from the files of depth; a line for each that could not be drawn."""
    span = min(one.span[0] for one in done), max(one.span[1] for one in done)
    return [line for line in map_ahead(partial(_draw, config, span), done, THREADS) if line]


def _draw(config: PredictConfig, span: Span, one: _Done) -> str:
    written = one.prediction.written
    if written is None or "color" not in written.files:
        return ""
    try:
        image = decode_named(one.source.read(), one.source.name)
    except DataError as error:
        return str(error)
    write_picture(config, written.files["color"], image, one.prediction.depth, span)
    return ""
