"""A disk that is full at any moment or read-only, and limits of the system: one worded line, and nothing is lost."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import Lab
from outcome import Trial, disdepth, failure_of, leftovers

LIMITED = ["bash", "-c", 'ulimit {}; exec "$@"', "bash"]
SHARED = ["unshare", "-m", "bash", "-c", 'mount -t tmpfs -o size={} tmpfs /dev/shm && exec "$@"', "bash"]
LIMITS = {
    "open files": ("-n 24", "-n 64", "-n 127", "-n 128", "-n 160"),
    "file size": ("-f 0", "-f 1", "-f 64", "-f 1024"),
    "memory": ("-v 300000", "-v 1000000", "-v 2000000", "-v 4000000"),
}
SHARED_SIZES = ("64k", "1m", "8m")


def limited(lab: Lab, folder: Path, count: int, first_seed: int, only: Sequence[str] = ()) -> Iterator[Trial]:
    """All of it; `count` full disks. only: some of full, readonly, limits, shm."""
    folder.mkdir()
    parts = {"full": _full, "readonly": _read_only, "limits": _limits, "shm": _shared_memory}
    for name, part in parts.items():
        if not only or name in only:
            yield from part(lab, folder, count, first_seed)


def commands(lab: Lab) -> dict[str, Callable[[Path], tuple[object, ...]]]:
    """By name: a command that writes into a folder."""
    student, image = lab.run / "student.safetensors", min((lab.data.parent / "rgb").iterdir())
    rows = ("--device", "cpu", "--workers", 0, "--no-baselines", "--per-image")
    return {
        "acclimate": lambda place: (*lab.acclimate, "-o", place / "run"),
        "distill": lambda place: (*lab.distill, "-o", place / "run"),
        "pack": lambda place: (*lab.pack, "-o", place / "shards"),
        "predict": lambda place: ("predict", image, "-c", student, "-o", place / "out", "--save-numpy"),
        "evaluate": lambda place: ("evaluate", student, "--data", lab.data, *rows, place / "rows.csv"),
        "check": lambda place: ("check", lab.data, "-o", place / "check"),
        "push": lambda place: ("push", lab.run, "--to", "someone/rooms", "--dry-run", "-o", place / "hub"),
    }


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[bool]:
    """A disk of `size` bytes at a place; False where none may be mounted: then files are limited instead."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={max(size, 4096)}", "tmpfs", str(place)]
    mounted = shutil.which("mount") is not None and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)


def _full(lab: Lab, folder: Path, count: int, first_seed: int) -> Iterator[Trial]:
    """The disk is full after a drawn number of bytes; with more space the command goes on, or is run again."""
    for name, command in commands(lab).items():
        whole = folder / f"{name}-whole"
        whole.mkdir()
        reference = disdepth(*command(whole))
        if reference.returncode:
            raise RuntimeError(f"{name} fails on a sound disk: {reference.stderr}")
        need = sum(file.stat().st_size for file in whole.rglob("*") if file.is_file())
        for number in range(max(count // len(commands(lab)), 1)):
            size = int(need * random.Random(first_seed * 1000 + number).uniform(0.0, 0.95))
            place = folder / f"{name}-{number}"
            with small_disk(place, size) as mounted:
                before = [] if mounted else _limit(f"-f {size // 1024}")
                result = disdepth(*command(place), before=before)
                failure = failure_of(result, codes=(0, 1)) or _left(place)
                if failure is None and result.returncode == 1 and str(place) not in result.stderr:
                    failure = f"does not name the place: {result.stderr.splitlines()[-1]}"
                if mounted:
                    subprocess.run(["mount", "-o", f"remount,size={need * 3 + 2**20}", str(place)], check=True)
                if failure is None and result.returncode:
                    failure = _again(command(place), place, whole)
                yield Trial("disk", f"full: {name}", failure and f"{failure} ({size} of {need} bytes)")


def _again(command: tuple[object, ...], place: Path, whole: Path) -> str | None:
    """With space: `--resume` where the command has it and a run began, else the command again; the same weights."""
    if command[0] in ("acclimate", "distill"):
        result = disdepth(command[0], "--resume", "-o", place / "run")
    elif command[0] == "pack":
        result = disdepth(*command, "--resume")
    else:
        result = disdepth(*command)
    if "out --resume" in result.stderr:
        result = disdepth(*command)
    failure = failure_of(result, codes=(0,)) or _left(place)
    if failure is not None:
        return failure
    for one in whole.rglob("*"):
        other = place / one.relative_to(whole)
        kept = one.suffix in (".safetensors", ".tar", ".png", ".npy") and one.parent.name != "last"
        if kept and not (other.is_file() and (one.name == "curves.png" or other.read_bytes() == one.read_bytes())):
            return f"{one.relative_to(whole)} is another, or not there"
    return None


def _left(place: Path) -> str | None:
    left = leftovers(place)
    return f"left behind: {', '.join(left)}" if left else None


def _read_only(lab: Lab, folder: Path, count: int, first_seed: int) -> Iterator[Trial]:
    """Nothing can be written: it is said before the work, and nothing changes."""
    for name, command in commands(lab).items():
        place = folder / f"{name}-readonly"
        with small_disk(place, 2**20) as mounted:
            if not mounted:
                return
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
            result = disdepth(*command(place))
            failure = failure_of(result, codes=(1,))
            if failure is None and str(place) not in result.stderr:
                failure = f"does not name the place: {result.stderr.splitlines()[-1]}"
            yield Trial("disk", f"read-only: {name}", failure)


def _limits(lab: Lab, folder: Path, count: int, first_seed: int) -> Iterator[Trial]:
    """Few open files, small files, little memory: the command does its work, or ends in one line."""
    for kind, limits in LIMITS.items():
        for limit in limits:
            for name in ("distill", "predict", "check"):
                place = folder / f"{name}{limit.replace(' ', '')}"
                place.mkdir()
                result = disdepth(*commands(lab)[name](place), before=_limit(limit))
                yield Trial("disk", f"ulimit {kind}: {name}", _named(failure_of(result, codes=(0, 1)), limit))


def _shared_memory(lab: Lab, folder: Path, count: int, first_seed: int) -> Iterator[Trial]:
    """Little shared memory with two workers: training ends all the same."""
    for size in SHARED_SIZES:
        before = [word.format(size) if "mount" in word else word for word in SHARED]
        if subprocess.run([*before, "true"], capture_output=True).returncode:
            return
        result = disdepth(*lab.distill, "--workers", 2, "-o", folder / f"shm{size}", before=before)
        yield Trial("disk", "small /dev/shm: distill", _named(failure_of(result, codes=(0,)), size))


def _limit(words: str) -> list[str]:
    return [word.format(words) if "ulimit" in word else word for word in LIMITED]


def _named(failure: str | None, words: str) -> str | None:
    return failure and f"{failure} ({words})"
