"""Run by torchrun: the command line, where process 1 fails in its third step, or the main one comes late.

python failing.py raise|kill|late ARGS...
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from disdepth_cli.cli.app import main
from disdepth_cli.method.distill_step import DistillStep

how = sys.argv.pop(1)
whole, calls = DistillStep.forward, iter(range(1, 1000))


def forward(step: DistillStep, *args: Any) -> Any:
    if next(calls) == 3 and os.environ["RANK"] == "1":
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("only here")
    return whole(step, *args)


if how == "late":
    time.sleep(2 if os.environ["RANK"] == "0" else 0)
else:
    DistillStep.forward = forward
main()
