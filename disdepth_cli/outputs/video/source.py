"""Frames of a video file or of a camera, one after the other, by OpenCV."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np

from disdepth_cli.data.files.workers import map_ahead
from disdepth_cli.errors import DataError

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp", ".ogv"}
)
USUAL_RATE = 30.0  # frames a second, where a camera or file states none that can be
SAMPLES = 12  # frames from which the range of the colours is taken


class VideoSource:
    """An open video or camera.

    name: of the file or camera, for messages and files. rate: frames a second. frames: how many the file declares; 0:
    not known, or a camera.
    """

    def __init__(self, source: Path | int) -> None:
        """Open a file, or the camera of that number.

        Raises:
            DataError: it cannot be opened, or gives no frame.
        """
        self.source = source
        self.name = f"camera {source}" if isinstance(source, int) else str(source)
        with quiet():
            self._capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
        self._first = self._read()
        if self._first is None:
            self.close()
            raise DataError(f"{self.name}: {_advice(source)}")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 1 <= rate <= 240 else USUAL_RATE
        declared = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frames = int(declared) if not self.is_camera and 0 < declared < 1e9 else 0

    @property
    def is_camera(self) -> bool:
        """Whether it has no end."""
        return isinstance(self.source, int)

    def read(self, _: object = None) -> np.ndarray | None:
        """The next frame (H, W, 3) uint8 RGB, turned as the video says; None at the end, or where it is damaged."""
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        return self._read()

    def all_frames(self) -> Iterator[np.ndarray]:
        """The frames to the end, each decoded while the one before it is worked on."""
        for frame in map_ahead(self.read, repeat(None), 1):
            if frame is None:
                return
            yield frame

    def samples(self) -> Iterator[np.ndarray]:
        """Some frames, spread over a file whose place stays; of a camera the next ones."""
        if self.is_camera:
            yield from (frame for _ in range(SAMPLES) if (frame := self.read()) is not None)
            return
        with opened_video(self.source) as beside:
            for place in np.linspace(0, max(self.frames - 1, 0), SAMPLES if self.frames else 1).astype(int).tolist():
                if place:  # the first frame is read already
                    beside._capture.set(cv2.CAP_PROP_POS_FRAMES, place)
                frame = beside.read() if not place else beside._read()
                if frame is not None:
                    yield frame

    def close(self) -> None:
        """Let go of the file or camera."""
        self._capture.release()

    def _read(self) -> np.ndarray | None:
        there, frame = self._capture.read()
        if not there or frame is None:
            return None
        return cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if frame.ndim == 2 else cv2.COLOR_BGR2RGB)


@contextmanager
def opened_video(source: Path | int) -> Iterator[VideoSource]:
    """A video or camera, let go of afterwards.

    Raises:
        DataError: it cannot be opened, or gives no frame.
    """
    video = VideoSource(source)
    try:
        yield video
    finally:
        video.close()


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block OpenCV says nothing of its own on stderr, and FFmpeg never does: errors here are one line."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read once, at the first video
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


def _advice(source: Path | int) -> str:
    if isinstance(source, int):
        return "gives no picture; is it connected, free and allowed? another number may be the one"
    return "is not a readable video (damaged, not whole, or of a codec that OpenCV lacks); ffmpeg may convert it"
