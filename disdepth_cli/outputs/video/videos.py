"""The videos and cameras of one call of predict."""

from __future__ import annotations

import glob
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


def split_sources(config: PredictConfig) -> tuple[list[str], list[Path | int]]:
    """The sources without the videos; and the files of videos, of paths and patterns, each once, and the camera.

    Raises:
        DataError: a pattern that no video has, or not one of the videos can be read and there is nothing else.
        ConfigError: there is a video and no folder for its results, or something for videos and none.
    """
    others: list[str] = []
    videos: list[Path | int] = []
    for source in config.sources:
        if "://" in source or Path(source).suffix.lower() not in VIDEO_SUFFIXES:
            others.append(source)
            continue
        path = Path(source).expanduser()
        found = [path] if path.exists() else [Path(name) for name in sorted(glob.glob(str(path)))]
        if not found:
            raise DataError(f"{source}: no such video")
        videos += found
    if videos and not others and config.camera is None:
        _check_readable(videos)
    videos += [] if config.camera is None else [config.camera]
    if videos and config.output is None:
        raise ConfigError("a video is written into files: name a folder for them, output=FOLDER")
    if config.smooth and not videos:
        raise ConfigError("--smooth: is for videos and cameras, and there are only images")
    return others, list(dict.fromkeys(videos))


def predict_videos(
    config: PredictConfig, predictor: Predictor, sources: list[Path | int], errors: list[str], observer: Observer
) -> list[VideoPrediction]:
    """The videos one after the other; what cannot be read is a line of `errors`.

    Raises:
        Interrupted: a signal came; the files of the video at hand are finished.
    """
    done = []
    for source, stem in zip(sources, output_stems([_named(config, one) for one in sources]), strict=True):
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
