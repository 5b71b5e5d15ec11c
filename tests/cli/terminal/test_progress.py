"""What a run shows at terminals of several widths: the most important first, and no line that wraps."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys

import pytest

from disdepth_cli.cli import progress
from disdepth_cli.cli.progress import Terminal, TerminalObserver
from disdepth_cli.observer import Progress

METRICS = {"abs_rel": 0.1234, "rmse": 0.5678, "delta1": 0.9012, "silog": 12.3, "log10": 0.05}
PARTS = {"loss": 4.649, "depth": 3.05, "output": 0.147, "encoder": 0.246, "decoder": 1.092}
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_lines_of_a_run_fit_their_terminal(width: int, monkeypatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(progress, "stderr", Terminal(file=file, force_terminal=True, width=width, soft_wrap=True))
    observer = TerminalObserver(quiet=False)
    observer.on_start(0, 10_000, 100)
    observer.on_step(Progress(step=9_999, total=10_000, epoch=100, lr=1e-3, images=8, parts=PARTS))
    observer.close()
    observer.on_validation(100, 100, METRICS, is_best=True)
    lines = [line.rstrip() for line in CODES.sub("", file.getvalue()).splitlines() if line.strip()]
    bar, epoch = next(line for line in lines if " 9999/10000" in line), lines[-1]
    assert max(map(len, lines)) <= width
    assert re.search(r"9999/10000 ETA [\d:-]+ [\d.]+ images/s  loss 4\.649", bar), bar
    assert ("decoder" in bar) == (width >= 160) and ("depth 3.050" in bar) == (width >= 120)
    assert epoch == "epoch 100: rmse 0.5678 (best)  abs_rel 0.1234  delta1 0.9012"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_shows_a_line_while_torch_is_loaded(rooms) -> None:
    """At a real terminal, before the engine refuses a protocol that it does not know."""
    import pty

    master, slave = pty.openpty()
    command = [sys.executable, "-m", "disdepth_cli", "evaluate", "bundled", "--data", str(rooms), "--protocol", "none"]
    with subprocess.Popen(command, stdout=slave, stderr=slave) as process:
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):  # the end of a pseudo-terminal
            while chunk := os.read(master, 4096):
                text += chunk
    os.close(master)
    assert process.returncode == 2
    assert 0 <= text.find(b"loading torch ...") < text.find(b"no such protocol")


def test_the_first_image_has_no_speed_yet(monkeypatch) -> None:
    """It is told once the image is done: what it took is not known."""
    file = io.StringIO()
    monkeypatch.setattr(progress, "stderr", Terminal(file=file, width=80, soft_wrap=True))
    observer = TerminalObserver(quiet=False)
    observer.on_image(1, 1)
    assert file.getvalue() == ""
    for done in (1, 2, 3):
        observer.on_image(done, 3)
    assert [line[:13] for line in file.getvalue().splitlines()] == ["2/3  ETA 0:00", "3/3  ETA 0:00"]
