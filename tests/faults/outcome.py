"""What became of one trial: clear, or a failure with its reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TOO_LONG = 120.0  # seconds that a command of the lab may take
UNWORDED = (
    "Traceback (most recent call last)",
    "DISDEPTH_DEBUG=1 shows where",
    "disdepth cannot be loaded",
    "Exception ignored in",
)
ENDS = ("error: ", "interrupted: ")


@dataclass(frozen=True)
class Trial:
    """part: of the campaign; name: what was tried; failure: None where all is clear."""

    part: str
    name: str
    failure: str | None = None


def disdepth(
    *args: object, before: Sequence[str] = (), env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own. before: what starts it, as `bash -c 'ulimit ...; exec "$@"' bash`.

    A command that takes too long ends with the code -14.
    """
    with start(*args, before=before, env=env, cwd=cwd) as process:
        try:
            out, err = process.communicate(timeout=TOO_LONG)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            return subprocess.CompletedProcess(process.args, -signal.SIGALRM, out, err)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def start(
    *args: object, before: Sequence[str] = (), env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[str]:
    """The command line, started, in a group of its own with its workers."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", "disdepth_cli", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **(env or {})},
        cwd=cwd,
        start_new_session=True,
    )


def failure_of(result: subprocess.CompletedProcess[str], codes: Sequence[int] = (0, 1, 2, 130)) -> str | None:
    """Why a command's end is not clear: a hang, a signal, a traceback, another code, or no last line that says why."""
    last = (result.stderr.strip().splitlines() or [""])[-1]
    if result.returncode == -signal.SIGALRM:
        return f"still running after {TOO_LONG:g} s"
    for words in UNWORDED:
        if words in result.stderr:
            return f"unworded: {last[:300]}"
    if result.returncode not in codes:
        return f"ended with {result.returncode}: {last[:300]}"
    told = [last, *result.stdout.splitlines()]  # what `check` finds is its result, on stdout
    if result.returncode and not any(line.startswith((*ENDS, "problem: ")) for line in told):
        return f"ended with {result.returncode}, and its last line is {last[:300]!r}"
    return None


def leftovers(folder: Path) -> list[str]:
    """The temporary files in a folder."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob(".*.tmp*"))


def table(trials: Sequence[Trial], seconds: Mapping[str, float]) -> str:
    """One row a part: tried, clear, failed."""
    rows = ["| part | tried | clear | failed | seconds |", "|---|---|---|---|---|"]
    for part in dict.fromkeys(trial.part for trial in trials):
        own = [trial for trial in trials if trial.part == part]
        failed = sum(trial.failure is not None for trial in own)
        rows.append(f"| {part} | {len(own)} | {len(own) - failed} | {failed} | {seconds.get(part, 0):.0f} |")
    return "\n".join(rows)


def waited(until: float, process: subprocess.Popen[str]) -> bool:
    """Wait so many seconds, or until the process ends; whether it is still running."""
    end = time.monotonic() + until
    while time.monotonic() < end:
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    return process.poll() is None
