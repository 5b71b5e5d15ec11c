"""Batches between processes, in Docker's 64 MB of shared memory and less; workers that die."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from disdepth_cli.data.batches.loader import BYTES_A_PIXEL, shared_bytes
from disdepth_cli.errors import TrainingError
from disdepth_cli.machine import resources
from disdepth_cli.training.loop.trouble import is_full, largest_that_fits, of_memory, of_worker
from disdepth_cli.types import StoredBatch

CPU = torch.device("cpu")


def stored(count: int, side: int = 32) -> StoredBatch:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    colours = rng.random((count, 3, 256), dtype=np.float32)
    depth = rng.random((count, side, side), dtype=np.float32).astype(np.float16)
    return StoredBatch(pixels, colours, depth, [str(n) for n in range(count)], [True] * count)


def test_a_view_takes_five_bytes_a_pixel_and_is_looked_up_on_the_device() -> None:
    batch = stored(3)
    assert batch.pixels.nbytes + batch.depth.nbytes == BYTES_A_PIXEL * 3 * 32 * 32
    on_device = batch.to(CPU)
    for image in range(3):
        for channel in range(3):
            expected = batch.colours[image, channel][batch.pixels[image, :, :, channel]]
            assert np.array_equal(on_device.image[image, channel].numpy(), expected)
    assert np.array_equal(on_device.depth[:, 0].numpy(), batch.depth.astype(np.float32))
    assert torch.equal(on_device.valid, on_device.depth > 0)


def small_shared_memory(megabytes: int) -> list[str]:
    """A command's beginning that gives it so much shared memory; the test skips where that is not allowed."""
    mount = f"mount -t tmpfs -o size={megabytes}m tmpfs /dev/shm"
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "-m", "bash", "-c", mount], capture_output=True).returncode
    ):
        pytest.skip("no mount namespace can be made here")
    return ["unshare", "-m", "bash", "-c", f'{mount} && exec "$@"', "bash"]


@pytest.mark.slow
def test_training_ends_in_little_shared_memory(rooms: Path, tmp_path: Path) -> None:
    """One megabyte, of which a batch takes more: PyTorch's own way would lose it and wait for it without end."""
    command = [sys.executable, "-m", "disdepth_cli", "distill", "--no-distill", "--data", str(rooms), "--no-pretrained"]
    command += ["--input-size", "128x160", "--batch-size", "8", "--workers", "2", "--max-steps", "3", "--offline"]
    command += ["--device", "cpu", "-o", str(tmp_path / "run")]
    result = subprocess.run(
        [*small_shared_memory(1), *command],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "shared memory" in result.stderr and "--shm-size" in result.stderr


def test_free_shared_memory_is_looked_at(rooms: Path, monkeypatch: pytest.MonkeyPatch, watcher: Any) -> None:
    from disdepth_cli.config import DistillConfig
    from disdepth_cli.training.prepare import prepare_data

    need = shared_bytes((224, 288), 8, 2)
    assert need == 5 * 224 * 288 * 8 * 9
    config = DistillConfig(data=str(rooms), workers=2, device="cpu", augment={"crop_size": "224x288"})
    for free, told in ((need - 1, 1), (need, 0), (None, 0)):
        watcher.notes.clear()
        monkeypatch.setattr(resources, "free_shared_memory", lambda free=free: free)
        prepare_data(config, watcher)
        assert sum("shared memory" in note for note in watcher.notes) == told
    prepare_data(config.replaced(workers=0), watcher)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("DataLoader worker (pid 77) is killed by signal: Killed. ", ("worker 77", "Killed", "memory", "--workers")),
        ("DataLoader worker (pid 77) is killed by signal: Bus error. It is possible", ("worker 77", "--shm-size")),
        ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", ("worker 7, 8", "memory")),
        ("DataLoader timed out after 300 seconds", ("300 s", "--workers 0")),
    ],
)
def test_a_workers_end_is_told(said: str, words: tuple[str, ...]) -> None:
    error = of_worker(RuntimeError(said), Path("run"))
    assert error is not None
    assert all(word in str(error) for word in (*words, "--resume -o run")), error
    assert of_worker(RuntimeError("something else"), Path("run")) is None


def test_a_killed_worker_ends_a_run_in_one_line(rooms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from disdepth_cli import distill
    from disdepth_cli.data.batches import loader

    whole = loader.TrainDataset.__getitem__

    def killed(dataset: Any, place: tuple[int, int]) -> Any:
        if place[0] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(dataset, place)

    monkeypatch.setattr(loader.TrainDataset, "__getitem__", killed)
    options: dict[str, Any] = {"input_size": "64x96", "batch_size": 4, "device": "cpu", "pretrained": False}
    with pytest.raises(TrainingError, match="which reads images, .*memory.*--resume -o"):
        distill(data=rooms, distill=False, workers=1, max_steps=30, offline=True, output=tmp_path / "run", **options)


def test_a_full_device_is_one_line_with_what_fits() -> None:
    tried: list[int] = []

    def attempt(batch: StoredBatch) -> None:
        tried.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    assert largest_that_fits(stored(24), CPU, attempt) == 3 and tried == [12, 6, 3]
    assert largest_that_fits(stored(8), CPU, lambda batch: attempt(stored(9))) is None
    line = str(of_memory(stored(24), 1, CPU, attempt, Path("run")))
    assert "--batch-size 24" in line and "--batch-size 3 fits; with --accumulate 8" in line and "\n" not in line
    assert is_full(torch.OutOfMemoryError("x")) and is_full(RuntimeError("MPS backend out of memory"))
    assert not is_full(RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        largest_that_fits(stored(2), CPU, lambda batch: (_ for _ in ()).throw(RuntimeError("shapes differ")))


def test_a_run_whose_device_is_full_names_the_batch_size(
    rooms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from disdepth_cli import distill
    from disdepth_cli.method.distill_step import DistillStep

    whole = DistillStep.forward

    def forward(step: Any, batch: Any) -> Any:
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(step, batch)

    monkeypatch.setattr(DistillStep, "forward", forward)
    options: dict[str, Any] = {"input_size": "64x96", "batch_size": 8, "device": "cpu", "pretrained": False}
    with pytest.raises(TrainingError, match="out of memory at --batch-size 8; --batch-size 2 fits"):
        distill(data=rooms, distill=False, workers=0, max_steps=2, offline=True, output=tmp_path / "run", **options)


def test_too_few_semaphores_are_one_line(rooms: Path, tmp_path: Path) -> None:
    """They lie in shared memory too: in 64 kB there are 16 at most."""
    command = [sys.executable, "-m", "disdepth_cli", "pack", str(rooms), "-o", str(tmp_path / "x"), "--workers", "16"]
    tiny = [word.replace("size=1m", "size=64k") for word in small_shared_memory(1)]
    result = subprocess.run([*tiny, *command], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "16 workers cannot be started (No space left on device)" in result.stderr.splitlines()[-1]
    assert "--workers 0" in result.stderr.splitlines()[-1]
