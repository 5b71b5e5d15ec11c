"""predict CLIP: one video out, in one range of colours, whole also after Ctrl-C; cameras; damaged files."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli import Depth, load_student, predict
from disdepth_cli.errors import ConfigError, Interrupted
from disdepth_cli.outputs.video.source import VideoSource

ROOM = Path(__file__).parents[3] / "disdepth_cli" / "assets" / "room.jpg"
FRAMES, RATE = 16, 12.0


def write_clip(file, codec="mp4v", count=FRAMES):
    """A camera that comes nearer to a room: windows of a photograph, ever smaller, as frames of 64x96."""
    image = cv2.imread(str(ROOM))
    height, width = image.shape[:2]
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*codec), RATE, (96, 64))
    for number in range(count):
        top, left = height * number // (3 * count), width * number // (3 * count)
        writer.write(cv2.resize(image[top : height - top, left : width - left], (96, 64)))
    writer.release()
    return file


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4")


def frames_of(file):
    capture = cv2.VideoCapture(str(file))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1][..., ::-1])
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(RATE)
    return np.array(frames)


@pytest.fixture
def predicted(cli, student, tmp_path):
    """`predicted(*args)` -> Outcome; the results are in tmp_path / "out"."""

    def run(*args):
        outcome = cli("predict", *args, "-c", student, "-o", tmp_path / "out", "--device", "cpu")
        assert outcome.code == 0, outcome.err
        return outcome

    return run


def test_a_clip_gives_a_clip_and_its_frames(predicted, clip, student, tmp_path):
    out = tmp_path / "out"
    (out / "clip_frames").mkdir(parents=True)
    Depth(np.ones((8, 8), np.float32)).save(out / "clip_frames" / "000099.png")  # of an earlier, longer clip
    outcome = predicted(clip, "--save", "png,npy", "--json")
    (one,) = outcome.json["videos"]
    assert outcome.err == "" and sorted(path.name for path in out.iterdir()) == ["clip_color.mp4", "clip_frames"]
    assert (one["video"], one["frames"], one["color"]) == (str(clip), FRAMES, str(out / "clip_color.mp4"))
    assert frames_of(out / "clip_color.mp4").shape == (FRAMES, 64, 96 + 8 + 96, 3)
    names = [f"{number:06d}" for number in range(1, FRAMES + 1)]
    assert sorted(path.name for path in (out / "clip_frames").iterdir()) == sorted(
        name + suffix for name in names for suffix in (".png", ".npy")
    )
    exact = [Depth.load(out / "clip_frames" / f"{name}.npy").values for name in names]
    alone = load_student(student).predict_batch(list(np.ascontiguousarray(frames_of(clip))))
    assert np.abs(np.array(exact) / np.array([depth.values for depth in alone]) - 1).mean() < 1e-4
    stored = [Depth.load(out / "clip_frames" / f"{name}.png").values for name in names]
    assert np.abs(np.array(stored) - np.array(exact)).max() <= 0.0005 + 1e-6
    assert (one["min_m"], one["max_m"]) == pytest.approx((np.min(exact), np.max(exact)), abs=6e-4)


def test_one_range_of_colours_for_the_clip(predicted, clip, tmp_path):
    """The depth of a frame alone says its colours, the same in all frames."""
    predicted(clip, "--pred-only", "--save", "npy", "--grayscale")
    depths = [Depth.load(file) for file in sorted((tmp_path / "out" / "clip_frames").iterdir())]
    drawn = frames_of(tmp_path / "out" / "clip_color.mp4").astype(float)
    span = min(depth.span[0] for depth in depths), max(depth.span[1] for depth in depths)
    wanted, apart = (np.array([d.colour("gray", ends) for d in depths]).astype(float) for ends in (span, None))
    assert np.abs(drawn - wanted).mean() < 6 < 12 < np.abs(drawn - apart).mean()


def test_smooth_changes_less_from_frame_to_frame(predicted, clip, tmp_path):
    changes = []
    for options in ((), ("--smooth",)):
        predicted(clip, "--save-numpy", *options)
        depths = np.array([np.load(file) for file in sorted((tmp_path / "out" / "clip_frames").iterdir())])
        changes.append(np.abs(np.diff(depths, axis=0)).mean())
    assert changes[1] < 0.9 * changes[0]


def test_images_and_clips_together_and_equal_names(predicted, clip, photo, tmp_path):
    write_clip(tmp_path / "clip.avi", "MJPG", 3)
    outcome = predicted(photo, f"{tmp_path}/*.avi", clip, "--quiet")
    names = sorted(path.name for path in (tmp_path / "out").iterdir() if path.suffix == ".mp4")
    assert names == ["clip_avi_color.mp4", "clip_mp4_color.mp4"]
    assert len(outcome.out.splitlines()) == 3 and "clip_avi_color.mp4: 3 frames" in outcome.out


def test_ctrl_c_finishes_the_file(student, clip, new_watcher, tmp_path):
    class Impatient(new_watcher):
        def on_image(self, done, total):
            if done == 4:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match=rf"stopped after frame \d+ of {FRAMES}; .*clip_color.mp4 holds them") as stop:
        predict(clip, model=student, output=tmp_path / "out", device="cpu", observers=[Impatient()])
    assert stop.value.exit_code == 130
    (file,) = (tmp_path / "out").iterdir()
    assert 4 <= len(frames_of(file)) < FRAMES and f"frame {len(frames_of(file))} of" in str(stop.value)


def test_a_camera_is_opened_as_a_file_is(predicted, clip, monkeypatch, tmp_path):
    """OpenCV's VideoCapture takes a file or a number: here number 7 is a file. The first 12 frames set the colours."""
    opened = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda source: opened(str(clip) if source == 7 else source))
    for name in ("camera7", "camera7_1"):
        outcome = predicted("--camera", "7", "--json")
        (one,) = outcome.json["videos"]
        assert (one["video"], one["frames"]) == ("camera:7", FRAMES - 12)
        assert one["color"] == str(tmp_path / "out" / f"{name}_color.mp4")
        assert len(frames_of(one["color"])) == FRAMES - 12


def test_a_clip_that_is_cut_is_read_as_far_as_it_goes(predicted, tmp_path):
    whole = write_clip(tmp_path / "whole.avi", "MJPG").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    outcome = predicted(tmp_path / "cut.avi")
    frames = len(frames_of(tmp_path / "out" / "cut_color.mp4"))
    assert 0 < frames < FRAMES and f"{frames} of the {FRAMES} frames that it declares can be read" in outcome.err


def test_damaged_videos_are_one_line(run_disdepth, clip, tmp_path):
    """In a process of its own: FFmpeg writes to stderr past Python."""
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:2000])
    (tmp_path / "empty.avi").write_bytes(b"")
    result = run_disdepth("predict", tmp_path / "cut.mp4", tmp_path / "empty.avi", "-o", tmp_path / "out", "--quiet")
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1 and f"{tmp_path / 'cut.mp4'}: is not a readable video" in line
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_is_one_line(refused, clip, student, tmp_path):
    refused(1, ("nothing.mp4: no such",), "predict", tmp_path / "nothing.mp4")
    refused(1, ("camera 99", "gives no picture"), "predict", "--camera", "99", "-c", student, "-o", tmp_path / "out")
    refused(2, ("--sources", "--camera 0"), "predict")
    with pytest.raises(ConfigError, match="output=FOLDER"):
        predict(clip)


def test_memory_does_not_grow_with_the_frames(tmp_path):
    """What waits between reader, network and writer is a handful of frames."""
    file = write_clip(tmp_path / "long.avi", "MJPG", 300)
    video, ahead = VideoSource(file), []
    read = video.read
    video.read = lambda _=None: ahead.append(1) or read()
    for number, _ in enumerate(video.all_frames(), start=1):
        assert len(ahead) - number <= 4
    video.close()
    assert number == 300


def test_nothing_of_the_users_is_replaced(clip, student, refused, tmp_path):
    """Neither another video that is read, nor frames that predict did not write."""
    other = write_clip(tmp_path / "clip_color.mp4", count=3)
    before = other.read_bytes()
    refused(1, (other, "would be written over it"), "predict", clip, other, "-c", student, "-o", tmp_path)
    assert other.read_bytes() == before
    other.unlink()
    frame = tmp_path / "clip_frames" / "000099.png"
    frame.parent.mkdir()
    cv2.imwrite(str(frame), np.zeros((8, 8), np.uint8))
    refused(1, (frame, "did not write it"), "predict", clip, "-c", student, "-o", tmp_path, "--save", "png")
    assert frame.exists()


def test_what_predict_wrote_of_a_video_is_not_read_again(predicted, refused, clip, student, tmp_path):
    predicted(clip, "--save", "png", "--range", "shared")  # without an image there is nothing to share
    out = tmp_path / "out"
    refused(1, (out, "without images", f"{out}/*.mp4"), "predict", out, "-c", student, "-o", tmp_path / "again")
    predicted(f"{clip.parent}/*.mp4")
    write_clip(tmp_path / "clip_color.mp4", count=3)  # as if it had been written there
    outcome = predicted(f"{clip.parent}/*.mp4", "--json")
    assert [one["video"] for one in outcome.json["videos"]] == [str(clip)]


def test_a_camera_that_is_slow_is_recorded_at_its_own_rate(predicted, clip, monkeypatch, tmp_path):
    """It states 12 frames a second, and its frames are predicted at five."""
    opened, sleep = cv2.VideoCapture, time.sleep
    monkeypatch.setattr(cv2, "VideoCapture", lambda source: opened(str(clip) if source == 7 else source))
    read = VideoSource._read
    monkeypatch.setattr(VideoSource, "_read", lambda video: (sleep(0.2), read(video))[1])
    (one,) = predicted("--camera", "7", "--json").json["videos"]
    assert 1 <= cv2.VideoCapture(one["color"]).get(cv2.CAP_PROP_FPS) < 5.5
