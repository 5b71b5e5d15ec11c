"""What predict writes of one video: the video of its depth in one range of colours, and a file for each frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from disdepth_cli.config import PredictConfig
from disdepth_cli.config.types import DepthFormat
from disdepth_cli.data.files.workers import map_ahead
from disdepth_cli.depth.depth import Depth
from disdepth_cli.depth.intrinsics import Intrinsics
from disdepth_cli.errors import DataError
from disdepth_cli.inputs.find import FRAMES, is_prediction
from disdepth_cli.observer import Observer
from disdepth_cli.outputs.pictures import side_by_side
from disdepth_cli.outputs.predictions import Span, VideoPrediction
from disdepth_cli.outputs.space import camera_of, needs_camera, write_format
from disdepth_cli.outputs.video.source import VideoSource
from disdepth_cli.outputs.video.writing import SUFFIX, video_writer
from disdepth_cli.predictor import Predictor


class Frame(NamedTuple):
    """number: from 1. image (H, W, 3) uint8 RGB."""

    number: int
    image: np.ndarray
    depth: Depth


def color_file(folder: Path, stem: str) -> Path:
    """Where the video of the depth is written."""
    return folder / f"{stem}_color{SUFFIX}"


def clip_range(depths: Iterable[Depth], name: str) -> Span:
    """The ends of the colours for a whole clip: the smallest and the largest end of some of its maps.

    Raises:
        DataError: there is no depth in them.
    """
    spans = [depth.span for depth in depths if depth.valid.any()]
    if not spans:
        raise DataError(f"{name}: the model gives no finite depth for it")
    return min(low for low, _ in spans), max(high for _, high in spans)


class Clip:
    """What is written of one video."""

    def __init__(self, config: PredictConfig, video: VideoSource, stem: str, span: Span) -> None:
        assert config.output is not None
        self.config, self.video, self.span = config, video, span
        self.color = color_file(config.output, stem)
        png: list[DepthFormat] = ["png"] if "png" in config.save else []
        self.formats = [*png, *config.formats()]
        self.folder = config.output / f"{stem}{FRAMES}" if self.formats else None
        self._earlier = self._frames_of_an_earlier_run()
        self.camera: Intrinsics | None = None
        self.frames, self.smallest, self.largest = 0, np.inf, -np.inf

    def write(self, file: Path, frames: Iterator[Frame], observer: Observer) -> None:
        """Write the video and the files of the frames, each while the next frame is predicted.

        Frames of an earlier run are removed first: it may have had more of them.
        """
        for old in self._earlier:
            old.unlink()
        with video_writer(file, self.video.rate) as self._append:
            for number in map_ahead(self._write_frame, frames, 1):
                self.frames = number
                observer.on_image(number, max(self.video.frames, number + 1) if self.video.frames else 0)
        observer.on_image(self.frames, self.frames)

    def _frames_of_an_earlier_run(self) -> list[Path]:
        """The frames that lie there.

        Raises:
            DataError: predict did not write them.
        """
        if self.folder is None:
            return []
        found = [one for name in self.formats for one in sorted(self.folder.glob(f"{'[0-9]' * 6}.{name}"))]
        pictures = [one for one in found if one.suffix == ".png"]
        foreign = [one for one in (*pictures[:1], *pictures[-1:]) if not is_prediction(one)]
        if foreign or (found and not pictures and not self.color.exists()):
            raise DataError(
                f"{(foreign or found)[0]}: predict did not write it, and would replace it; -o another folder"
            )
        return found

    def _write_frame(self, frame: Frame) -> int:
        """Called in one other thread, in the frames' order."""
        depth, config = frame.depth, self.config
        known = depth.values[depth.valid]
        if known.size:
            self.smallest = min(self.smallest, float(known.min()))
            self.largest = max(self.largest, float(known.max()))
        colour = depth.colour(config.shown_colormap(), self.span)
        self._append(colour if config.pred_only else side_by_side(frame.image, colour))
        if self.folder is not None:
            if self.camera is None and needs_camera(config):
                self.camera = camera_of(config, frame.image)
            for name in self.formats:
                write_format(self.folder / f"{frame.number:06d}.{name}", depth, frame.image, self.camera)
        return frame.number

    def result(self, predictor: Predictor) -> VideoPrediction:
        """What was written."""
        low, high = round(self.smallest, 3), round(self.largest, 3)
        name = f"camera:{self.video.source}" if self.video.is_camera else str(self.video.source)
        return VideoPrediction(name, predictor.kind, self.frames, low, high, self.color, self.folder, self.camera)
