"""The videos and cameras of one call of predict."""

from __future__ import annotations

import glob
import os
from itertools import count
from pathlib import Path

from disdepth_cli.config import PredictConfig
from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.observer import Observer
from disdepth_cli.outputs.naming import output_stems
from disdepth_cli.outputs.predictions import VideoPrediction
from disdepth_cli.outputs.video.clip import color_file
from disdepth_cli.outputs.video.predict_video import predict_video
from disdepth_cli.outputs.video.source import VIDEO_SUFFIXES, opened_video
from disdepth_cli.predictor import Predictor


def split_sources(config: PredictConfig, observer: Observer) -> tuple[list[str], list[Path | int]]:
    """The sources without the videos; and the files of videos, of paths and patterns, each once, and the camera.

    Raises:
        DataError: a pattern that no video has, a result that would be written over a video, or not one of the videos
            can be read and there is nothing else.
        ConfigError: there is a video and no folder for its results, or something for videos and none.
    """
    others: list[str] = []
    videos: list[Path | int] = []
    for source in config.sources:
        if "://" in source or Path(source).suffix.lower() not in VIDEO_SUFFIXES:
            others.append(source)
            _tell_left_out(source, observer)
        else:
            videos += _files_of(source)
    if videos and not others and config.camera is None:
        _check_readable(videos)
    videos += [] if config.camera is None else [config.camera]
    if videos and config.output is None:
        raise ConfigError("a video is written into files: name a folder for them, output=FOLDER")
    if config.smooth and not videos:
        raise ConfigError("--smooth: is for videos and cameras, and there are only images")
    videos = list(dict.fromkeys(videos))
    _keep_videos(config, videos)
    return others, videos


def _files_of(source: str) -> list[Path]:
    """The files of a path or pattern. A pattern leaves out what predict made of a video beside it."""
    path = Path(source).expanduser()
    if path.exists():
        return [path]
    found = [Path(name) for name in sorted(glob.glob(str(path)))]
    if not found:
        raise DataError(f"{source}: no such video")
    made = {color_file(one.parent, one.stem) for one in found}
    return [one for one in found if one not in made]


def _tell_left_out(source: str, observer: Observer) -> None:
    """Of a folder the images are read; its videos are named, or left out with a word."""
    folder = Path(source).expanduser()
    if "://" in source or not folder.is_dir():
        return
    count = sum(one.suffix.lower() in VIDEO_SUFFIXES for one in folder.iterdir())
    if count:
        observer.on_warning(f"{source}: {count} video(s) in it are left out; name them, as in {folder}/*.mp4")


def _keep_videos(config: PredictConfig, videos: list[Path | int]) -> None:
    files = {os.path.realpath(one): one for one in videos if isinstance(one, Path)}
    for source, stem in zip(videos, _stems(config, videos), strict=True):
        assert config.output is not None
        over = files.get(os.path.realpath(color_file(config.output, stem)))
        if over is not None:
            raise DataError(f"{over}: the result of {source} would be written over it; -o another folder")


def _stems(config: PredictConfig, videos: list[Path | int]) -> list[str]:
    return output_stems([_named(config, one) for one in videos])


def predict_videos(
    config: PredictConfig, predictor: Predictor, sources: list[Path | int], errors: list[str], observer: Observer
) -> list[VideoPrediction]:
    """The videos one after the other; what cannot be read is a line of `errors`.

    Raises:
        Interrupted: a signal came; the files of the video at hand are finished.
    """
    done = []
    for source, stem in zip(sources, _stems(config, sources), strict=True):
        try:
            done.append(predict_video(config, predictor, source, stem, observer))
        except DataError as error:
            errors.append(str(error))
    return done


def _check_readable(videos: list[Path | int]) -> None:
    """Told before a model is loaded.

    Raises:
        DataError: not one of the videos can be opened.
    """
    errors = []
    for video in videos:
        try:
            with opened_video(video):
                return
        except DataError as error:
            errors.append(error)
    raise errors[0]


def _named(config: PredictConfig, source: Path | int) -> Path:
    """What the results are named after: the file, or `camera0`, `camera0_1`, ..., so that earlier recordings stay."""
    if isinstance(source, Path):
        return source
    assert config.output is not None
    names = (f"camera{source}_{number}" if number else f"camera{source}" for number in count())
    return Path(next(name for name in names if not color_file(config.output, name).exists()))
