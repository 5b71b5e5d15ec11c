"""What a run shows at terminals of several widths: the most important first, and no line that wraps."""

from __future__ import annotations

import io
import re

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


def test_torch_is_named_while_it_is_loaded(monkeypatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(progress, "stderr", Terminal(file=file, force_terminal=True, width=80))
    with TerminalObserver(quiet=False).starting("torch"):
        pass
    assert "loading torch ..." in file.getvalue()
