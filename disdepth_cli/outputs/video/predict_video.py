"""A video in, a video of its depth out: frame by frame, in one range of colours, so that nothing flickers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from disdepth_cli.config import PredictConfig
from disdepth_cli.errors import Interrupted
from disdepth_cli.files import write_atomic
from disdepth_cli.machine.signals import StopSignal
from disdepth_cli.observer import Observer
from disdepth_cli.outputs.predictions import VideoPrediction
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
        span = config.range if isinstance(config.range, tuple) else None
        span = span or clip_range(predictor.predict_depth(image) for image in video.samples())
        clip = Clip(config, video, stem, span)
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


def _depths(config: PredictConfig, predictor: Predictor, video: VideoSource, stop: StopSignal) -> Iterator[Frame]:
    """Run the model on each frame, in this thread, until the end or a signal; there is one frame at least."""
    smooth = DepthSmoother(video.rate) if config.smooth else None
    for number, image in enumerate(video.all_frames(), start=1):
        depth = predictor.predict_depth(image)
        yield Frame(number, image, depth if smooth is None else replace(depth, values=smooth(depth.values)))
        if stop.requested:
            return
