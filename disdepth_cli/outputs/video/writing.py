"""A video file, written frame by frame; it is there when it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from disdepth_cli.errors import DisdepthError
from disdepth_cli.outputs.video.source import quiet

SUFFIX, CODEC = ".mp4", "mp4v"  # MPEG-4 part 2: what every OpenCV can write


@contextmanager
def video_writer(path: Path, rate: float) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends a frame (H, W, 3) uint8 RGB to a new video; all frames get the first one's size.

    Height and width are even in the file: an odd one loses its last row or column.

    Raises:
        DisdepthError: OpenCV cannot write it, or it is not whole afterwards, as on a full disk.
    """
    writer: cv2.VideoWriter | None = None
    size = (0, 0)

    def append(frame: np.ndarray) -> None:
        nonlocal writer, size
        if writer is None:
            size = (frame.shape[1] // 2 * 2, frame.shape[0] // 2 * 2)
            with quiet():
                writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODEC), rate, size)
            if not writer.isOpened():
                raise DisdepthError(f"{path}: this OpenCV cannot write MPEG-4 video; install opencv-python-headless")
        height, width = frame.shape[:2]
        if (width // 2 * 2, height // 2 * 2) != size:
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        writer.write(cv2.cvtColor(frame[: size[1], : size[0]], cv2.COLOR_RGB2BGR))

    try:
        yield append
    finally:
        if writer is not None:
            writer.release()
    if writer is not None and not cv2.VideoCapture(str(path)).isOpened():
        raise DisdepthError(f"{path}: could not be written whole; is the disk full?")
