"""A video in, a video of its depth out: frame by frame, in one range of colours, so that nothing flickers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from disdepth_cli.config import PredictConfig
from disdepth_cli.depth.depth import Depth
from disdepth_cli.errors import DataError, Interrupted
from disdepth_cli.files import write_atomic
from disdepth_cli.machine.signals import StopSignal
from disdepth_cli.observer import Observer
from disdepth_cli.outputs.predictions import Span, VideoPrediction
from disdepth_cli.outputs.video.clip import Clip, Frame, clip_range
from disdepth_cli.outputs.video.smoothing import DepthSmoother
from disdepth_cli.outputs.video.source import VideoSource, opened_video
from disdepth_cli.predictor import Predictor


def predict_video(
    config: PredictConfig, predictor: Predictor, source: Path | int, stem: str, observer: Observer
) -> VideoPrediction:
    """Write the depth of a video file, or of the camera of that number, into `config.output`.

    Frames pass one by one, so memory does not grow with them. The first Ctrl-C or SIGTERM finishes the files.

    Raises:
        DataError: no video, or no depth in it.
        Interrupted: a file was stopped before its end; the files hold what there was. A camera ends so, without error.
    """
    assert config.output is not None
    with opened_video(source) as video, StopSignal() as stop:
        clip = Clip(config, video, stem, _range(config, predictor, video))
        write_atomic(clip.color, lambda file: clip.write(file, _depths(config, predictor, video, stop), observer))
        result = clip.result(predictor)
        if stop.requested and not video.is_camera:
            of = f" of {video.frames}" if video.frames else ""
            raise Interrupted(f"stopped after frame {result.frames}{of}; {clip.color} holds them")
        if result.frames < video.frames - 1:
            observer.on_warning(
                f"{video.name}: {result.frames} of the {video.frames} frames that it declares can be read; is it whole?"
            )
        return result


def _range(config: PredictConfig, predictor: Predictor, video: VideoSource) -> Span:
    """The range of the colours. A camera's rate becomes that at which its frames are predicted."""
    fixed = config.range if isinstance(config.range, tuple) else None
    if fixed and not video.is_camera:
        return fixed
    began = time.monotonic()
    depths = [_depth(predictor, video, image) for image in video.samples()]
    if video.is_camera:
        video.rate = min(video.rate, max(len(depths) / (time.monotonic() - began), 1.0))
    return fixed or clip_range(depths, video.name)


def _depth(predictor: Predictor, video: VideoSource, image: np.ndarray) -> Depth:
    try:
        return predictor.predict_depth(image)
    except DataError as error:  # an exported file takes some sizes only
        raise DataError(f"{video.name}: {error}") from None


def _depths(config: PredictConfig, predictor: Predictor, video: VideoSource, stop: StopSignal) -> Iterator[Frame]:
    """Run the model on each frame, in this thread, until the end or a signal; there is one frame at least."""
    smooth = DepthSmoother(video.rate) if config.smooth else None
    for number, image in enumerate(video.all_frames(), start=1):
        depth = _depth(predictor, video, image)
        yield Frame(number, image, depth if smooth is None else replace(depth, values=smooth(depth.values)))
        if stop.requested:
            return
