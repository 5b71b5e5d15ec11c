"""SIGKILL at drawn moments, half of them within a write; then the command goes on, and ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import Lab
from outcome import Trial, disdepth, failure_of, leftovers, start

WRITES = 40  # of the first so many writes one is drawn
BEGIN_ANEW, ENDED = "out --resume", "is packed already"


@dataclass(frozen=True)
class Command:
    """command: what begins, and again: what goes on, both without `-o FOLDER`."""

    name: str
    command: tuple[object, ...]
    again: tuple[object, ...]


def commands(lab: Lab, only: Sequence[str] = ()) -> Iterator[Command]:
    """Whatever writes for longer than a moment."""
    if _wanted("acclimate", only):
        yield Command("acclimate", lab.acclimate, ("acclimate", "--resume"))
    if _wanted("distill", only):
        yield Command("distill", lab.distill, ("distill", "--resume"))
    if _wanted("control", only):
        yield Command("distill --control", (*lab.distill, "--control"), ("distill", "--resume"))
    if _wanted("pack", only):
        yield Command("pack", lab.pack, (*lab.pack, "--resume"))
    if _wanted("push", only):
        push = ("push", lab.run, "--to", "someone/rooms", "--dry-run")
        yield Command("push --dry-run", push, push)


def _wanted(name: str, only: Sequence[str]) -> bool:
    return not only or name in only


def killed(lab: Lab, folder: Path, count: int, first_seed: int, only: Sequence[str] = ()) -> Iterator[Trial]:
    """`count` kills, of each command in turn. only: of which commands."""
    chosen = list(commands(lab, only))
    for place, command in enumerate(chosen):
        whole = folder / command.name.replace(" ", "") / "whole" / "run"
        began = time.monotonic()
        reference = disdepth(*command.command, "-o", whole)
        seconds = time.monotonic() - began
        if reference.returncode:
            raise RuntimeError(f"{command.name} fails without a kill: {reference.stderr}")
        for number in range(place, count, len(chosen)):
            rng = random.Random(first_seed * 1000 + number)
            run = folder / command.name.replace(" ", "") / f"{number}" / "run"
            yield Trial("kill", command.name, _try(command, run, whole, seconds, rng))
            shutil.rmtree(run.parent, ignore_errors=True)


def _try(command: Command, run: Path, whole: Path, seconds: float, rng: random.Random) -> str | None:
    """Kill once or twice, go on to the end, compare."""
    run.parent.mkdir(parents=True)
    kills = [_kill(command.command, run, seconds, rng)]
    if rng.random() < 1 / 3:
        kills.append(_kill(command.again, run, seconds, rng))
    result = disdepth(*command.again, "-o", run)
    if BEGIN_ANEW in result.stderr:  # as a command says whose run had not begun
        result = disdepth(*command.command, "-o", run)
    failure = None if ENDED in result.stderr else failure_of(result, codes=(0,))
    failure = failure or _difference(run, whole)
    return f"{failure} after {' and '.join(kills)}" if failure else None


def _kill(command: tuple[object, ...], run: Path, seconds: float, rng: random.Random) -> str:
    """Start the command and kill it and its workers: at a moment, or while it writes its n-th file."""
    within, moment, nth = rng.random() < 0.5, rng.uniform(0.2, 1.0) * seconds, rng.randrange(1, WRITES)
    with start(*command, "-o", run) as process:
        began, seen = time.monotonic(), set()
        while process.poll() is None and (within or time.monotonic() - began < moment):
            if within:
                seen |= _being_written(run.parent)
                if len(seen) >= nth or time.monotonic() - began > 3 * seconds:
                    break
            time.sleep(0.0005)
        ended = process.poll() is not None
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    how = f"in write {len(seen)}" if within else f"at {moment:.2f} of {seconds:.2f} s"
    return "no kill, it had ended" if ended else f"a kill {how}"


def _being_written(folder: Path) -> set[str]:
    """The temporary files there are."""
    found = set()
    for place, _, files in os.walk(folder):
        found |= {os.path.join(place, name) for name in files if name.startswith(".") and ".tmp" in name}
    return found


def _difference(run: Path, whole: Path) -> str | None:
    """What differs from the run that was never killed: weights and shards by the byte, reports by their figures."""
    for one in sorted(whole.parent.rglob("*")):
        other = run.parent / one.relative_to(whole.parent)
        if one.suffix in (".safetensors", ".tar", ".json", ".md") and one.parent.name != "last":
            if not other.is_file():
                return f"{other.name} is not there"
            if one.name == "report.json":
                ours, theirs = (json.loads(file.read_text()) for file in (other, one))
                if any(ours.get(key) != theirs.get(key) for key in ("final", "best", "best_step", "steps", "gain")):
                    return f"{other.parent.name}/report.json has other figures"
            elif other.read_bytes() != one.read_bytes():
                return f"{other.parent.name}/{other.name} has other bytes"
    left = leftovers(run.parent)
    return f"left behind: {', '.join(left)}" if left else None
