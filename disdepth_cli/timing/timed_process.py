"""One model in a process of its own, so that its memory and its start are its own: opened, then timed when it is asked.

    python -c 'from disdepth_cli.timing.timed_process import serve; serve()'

One JSON object a line: first what to open ({"model", "backend", "image"}), then orders ({"do": "time"},
{"do": "depth", "image", "to"} or {"do": "end"}); each is answered by one. No torch at import.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.errors import one_line
from disdepth_cli.exporting.exported import ExportedPredictor
from disdepth_cli.machine.resources import peak_memory
from disdepth_cli.predictor import Predictor
from disdepth_cli.scoring.backend import open_in_runtime
from disdepth_cli.timing.clock import timed


def serve() -> None:
    """Open the model that the first line names, and do what the others say."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a runtime prints is no answer

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    asked = json.loads(sys.stdin.readline())
    try:
        predictor, about = _opened(asked)
    except Exception as error:  # the contest goes on without this one
        answer({"failed": f"{type(error).__name__}: {one_line(error, 300)}"})
        return
    answer(about)
    image = np.load(asked["image"])
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "time":
            wall, cpu = timed(lambda: predictor.predict(image))
            answer({"wall": wall, "cpu": cpu})
        elif order["do"] == "depth":
            np.save(order["to"], predictor.predict(np.load(order["image"])))
            answer({})
        else:
            peak = peak_memory()
            answer({"peak_mb": peak and round(peak / 2**20, 1)})
            return


def _opened(asked: dict[str, Any]) -> tuple[Predictor, dict[str, Any]]:
    """The model, having predicted once, and what that took."""
    began = time.perf_counter()
    predictor = open_in_runtime(asked["model"], asked["backend"], "cpu", offline=True)
    loaded = time.perf_counter() - began
    image = np.load(asked["image"])
    predictor.predict(image)
    size = predictor.working_size.padded(*image.shape[:2])
    exported = isinstance(predictor, ExportedPredictor)
    return predictor, {
        "runtime": predictor.session.runtime if isinstance(predictor, ExportedPredictor) else _torch(),
        "precision": predictor.precision,
        "input": "x".join(map(str, size)) + (", resized inside" if exported and not _is_bare(predictor) else ""),
        "parameters": predictor.parameters,
        "load_s": round(loaded, 3),
        "start_cpu_s": round(time.process_time(), 3),
    }


def _is_bare(predictor: Predictor) -> bool:
    return isinstance(predictor, ExportedPredictor) and predictor.about.input == "tensor"


def _torch() -> str:
    import torch

    return f"PyTorch {torch.__version__.partition('+')[0]}"


COMMAND = [sys.executable, "-c", "from disdepth_cli.timing.timed_process import serve; serve()"]
PACKAGE = Path(__file__).parents[2]
"""Where a process finds this package, wherever it is started."""
