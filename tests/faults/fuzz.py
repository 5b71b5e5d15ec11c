"""Damaged files for every reader, in a process for each: worded errors alone, in time, within memory."""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from lab import Lab
from mutations import damaged
from outcome import Trial
from readers import Reader, readers

from disdepth_cli.errors import DisdepthError

ONLY_DRAWN: Any = {  # no shrinking and no store: a file that fails is kept as it is
    "database": None, "deadline": None, "phases": [Phase.generate], "suppress_health_check": list(HealthCheck),
}  # fmt: skip
HANG, MEMORY = 30.0, 1.5e9  # seconds of one trial; bytes that a process may grow in it


def fuzzed(lab: Lab, folder: Path, count: int, first_seed: int, only: Sequence[str] = ()) -> Iterator[Trial]:
    """`count` trials of each reader; fewer where reading is slow. A file that fails stays in `folder/failed`.

    only: of which groups of readers.
    """
    failed = folder / "failed"
    failed.mkdir(parents=True)
    torch.set_num_threads(1)
    for reader in readers(lab, folder / "files", only):
        left, number = max(round(count * reader.share), 1), first_seed
        while left > 0:
            found = list(_in_a_process(reader, left, number, failed))
            yield from (Trial("fuzz", reader.name, failure) for failure in found)
            left, number = left - max(len(found), 1), number + 1  # after a crash the rest, with another seed


def _in_a_process(reader: Reader, count: int, number: int, failed: Path) -> Iterator[str | None]:
    """What each trial ends with, None where all is clear; after a hang or a crash no more."""
    sound, (ours, theirs) = reader.file.read_bytes(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _leave(lambda: _try_all(reader, sound, count, number, failed, theirs))
    os.close(theirs)
    lines, hangs = b"", False
    while not hangs:
        hangs = not select.select([ours], [], [], HANG)[0]
        got = b"" if hangs else os.read(ours, 65536)
        lines += got
        if not got:
            break
    if hangs:
        os.kill(child, signal.SIGKILL)
    os.close(ours)
    _, status = os.waitpid(child, 0)
    yield from map(json.loads, lines.splitlines())
    if status:
        kept = shutil.copy(reader.file, failed / f"{number}-end-{reader.file.name}")
        died = f"the process died with {os.waitstatus_to_exitcode(status)}"
        yield f"{f'no answer for {HANG:g} s' if hangs else died} [{Path(kept).name}]"
    reader.file.write_bytes(sound)


def _leave(work: Callable[[], None]) -> None:
    """Do the work of a forked process, and end it with nothing of the parent's done twice."""
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(70)


def _try_all(reader: Reader, sound: bytes, count: int, number: int, failed: Path, pipe: int) -> None:
    warnings.simplefilter("ignore")
    sound_one = reader.read(reader.file)
    held = _held(sound_one) if reader.exact else None
    before, tried = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0

    @seed(number)
    @settings(max_examples=count, **ONLY_DRAWN)
    @given(damaged(sound, reader.text))
    def attempt(content: bytes) -> None:
        nonlocal tried, before
        tried += 1
        reader.file.write_bytes(content)
        failure = _attempt(reader, held)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        before += grown
        if grown * 1024 > MEMORY:
            failure = f"it grew by {grown / 1e6:.1f} GB"
        if failure is not None:
            kept = failed / f"{number}-{tried}-{reader.file.name}"
            kept.write_bytes(content)
            failure += f" [{kept.name}]"
        os.write(pipe, json.dumps(failure).encode() + b"\n")

    attempt()


def _attempt(reader: Reader, held: bytes | None) -> str | None:
    """Read the damaged file: None where it is refused in one line with its name, or read."""
    began = time.monotonic()
    try:
        found = reader.read(reader.file)
        if held is not None and _held(found) != held:
            return "read in silence, but it holds something else"
    except DisdepthError as error:
        if "\n" in str(error) or len(str(error)) > 1500:
            return f"not one short line: {str(error)[:200]!r}"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "disdepth_cli" in frame.filename]
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else place.name
        return f"{type(error).__name__}: {str(error)[:150]!r} at {where}"
    if time.monotonic() - began > HANG / 3:
        return f"it took {time.monotonic() - began:.0f} s"
    return None


def _held(found: Any) -> bytes:
    """What was read, as bytes to compare."""
    if isinstance(found, torch.Tensor):
        return found.numpy().tobytes()
    if isinstance(found, dict):
        return b"".join(str(name).encode() + _held(value) for name, value in sorted(found.items()))
    if isinstance(found, tuple | list):
        return b"".join(map(_held, found))
    return repr(found).encode()
