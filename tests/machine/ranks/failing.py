"""Run by torchrun: the command line, where process 1 fails in its third step, or the main one comes late.

python failing.py raise|unnamed|kill|stop|late|elsewhere ARGS...: unnamed: as with a launcher that names no file for
errors; stop: process 1 does not answer any more; elsewhere: it is in another folder, as on another machine.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from typing import Any

from disdepth_cli.cli.app import main
from disdepth_cli.machine import devices, join
from disdepth_cli.machine.failures import NAMED_BY_LAUNCHER
from disdepth_cli.machine.signals import leave_at_once
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.runs import shared_disk

how = sys.argv.pop(1)
whole, calls = DistillStep.forward, iter(range(1, 1000))


def forward(step: DistillStep, *args: Any) -> Any:
    if next(calls) == 3 and os.environ["RANK"] == "1":
        if how in ("kill", "stop"):
            os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGSTOP)
        raise ValueError("only here")
    return whole(step, *args)


leave_at_once()
if how == "unnamed":
    del os.environ[NAMED_BY_LAUNCHER]
if how == "stop":
    devices.ANSWER_WITHIN = join.ANSWER_WITHIN = 5.0
if how == "elsewhere":
    shared_disk.PATIENCE = 0.5
    if os.environ["RANK"] == "1":
        os.chdir(tempfile.mkdtemp())
elif how == "late":
    time.sleep(60 if os.environ["RANK"] == "0" else 0)
else:
    DistillStep.forward = forward
main()
