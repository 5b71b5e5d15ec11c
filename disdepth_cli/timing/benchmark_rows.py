"""Models timed against each other, each in a process of its own, turn by turn; and their depth compared."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from disdepth_cli.config.types import Backend
from disdepth_cli.exporting.check import NEAR, relative
from disdepth_cli.timing.clock import Spread, in_turns
from disdepth_cli.timing.timed_process import COMMAND, PACKAGE

WARMUP = 3


@dataclass(frozen=True)
class Entry:
    """A model that is timed.

    name: as the table calls it. model, backend: as `open_elsewhere` takes them. file: what is shipped.
    network: the same for entries that are the same network, in PyTorch or elsewhere: their depth is compared.
    """

    name: str
    model: str
    backend: Backend | None
    network: str
    file: Path | None = None


@dataclass
class Row:
    """What was measured of an entry; or why nothing was. Times in ms but for load and start, which are in seconds."""

    entry: Entry
    about: dict[str, Any]
    wall: Spread | None = None
    cpu: Spread | None = None
    parity: dict[str, float] | None = None
    failed: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        shipped = self.entry.file
        known = {
            "model": self.entry.name,
            "file_mb": round(_bytes(shipped) / 1e6, 2) if shipped else None,
            **self.about,
            "wall_ms": self.wall and self.wall.as_dict(),
            "cpu_ms": self.cpu and self.cpu.as_dict(),
            "parity": self.parity,
        }
        return known if self.failed is None else {**known, "failed": self.failed}


def contest(
    entries: Sequence[Entry], image: np.ndarray, others: Sequence[np.ndarray], *, runs: int, threads: int
) -> list[Row]:
    """Time `predict` of an image (H, W, 3) uint8 by every entry; others: further images to compare depth on.

    Parity is the relative difference of depth to that of the first entry of the same network, which is PyTorch's where
    it takes part: its mean over all images and pixels, and the largest.
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images = [folder / f"{number}.npy" for number in range(1 + len(others))]
        for file, pixels in zip(images, (image, *others), strict=True):
            np.save(file, pixels)
        rows = [Row(entry, {}) for entry in entries]
        processes = {number: _Process(entry, images[0], threads) for number, entry in enumerate(entries)}
        try:
            for number, process in processes.items():
                _enter(rows[number], process.opened())
            running = {n: process for n, process in processes.items() if rows[n].failed is None}
            _time(rows, running, runs)
            _compare(rows, running, images, folder)
            for number, process in running.items():
                _enter(rows[number], process.ask({"do": "end"}))
        finally:
            for process in processes.values():
                process.close()
    return rows


def _enter(row: Row, found: dict[str, Any]) -> bool:
    """Add what an entry's process has answered; whether it still runs."""
    row.failed = row.failed or found.get("failed")
    row.about |= {} if row.failed else found
    return row.failed is None


def _time(rows: list[Row], running: Mapping[int, _Process], runs: int) -> None:
    calls = {str(number): partial(_measured, rows[number], process) for number, process in running.items()}
    for number, (wall, cpu) in in_turns(calls, runs, WARMUP).items():
        if rows[int(number)].failed is None:
            rows[int(number)].wall, rows[int(number)].cpu = wall, cpu


def _measured(row: Row, process: _Process) -> tuple[float, float]:
    found = process.ask({"do": "time"})
    row.failed = row.failed or found.get("failed")
    return found.get("wall", 0.0), found.get("cpu", 0.0)


def _compare(rows: list[Row], running: Mapping[int, _Process], images: Sequence[Path], folder: Path) -> None:
    """Parity of every entry but the first of its network."""
    first: dict[str, list[np.ndarray]] = {}
    for number, process in running.items():
        depths: list[np.ndarray] = []
        for file in images:
            order = {"do": "depth", "image": str(file), "to": str(folder / "depth.npy")}
            if _enter(rows[number], process.ask(order)):
                depths.append(np.load(folder / "depth.npy"))
        if len(depths) < len(images):
            continue
        wanted = first.setdefault(rows[number].entry.network, depths)
        if wanted is not depths:
            least = NEAR * max(float(depth.max()) for depth in wanted)
            found = [relative(one, other, least) for one, other in zip(depths, wanted, strict=True)]
            means = float(np.mean([one.mean() for one in found]))
            rows[number].parity = {"mean": means, "largest": max(float(one.max()) for one in found)}


class _Process:
    """An entry's process and the talk with it."""

    def __init__(self, entry: Entry, image: Path, threads: int) -> None:
        self._entry, self._image, self._threads = entry, image, threads
        self._process: subprocess.Popen[str] | None = None

    def opened(self) -> dict[str, Any]:
        """Start it: what its model says of itself, with the wall time to the first depth; or {"failed": why}."""
        number = str(self._threads)
        own = {"OMP_NUM_THREADS": number, "MKL_NUM_THREADS": number, "OMP_WAIT_POLICY": "PASSIVE"}
        path = os.pathsep.join(filter(None, (str(PACKAGE), os.environ.get("PYTHONPATH"))))
        began = time.perf_counter()
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **own, "PYTHONPATH": path},
        )
        found = self.ask({"model": self._entry.model, "backend": self._entry.backend, "image": str(self._image)})
        if "failed" in found:
            return found
        return {**found, "threads": self._threads, "start_s": round(time.perf_counter() - began, 3)}

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """What it answers; {"failed": why} where it has ended."""
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return {"failed": f"its process ended with {self._process.wait()}; out of memory?"}
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
