"""Train a student with a teacher, compare it with its control, and score it.

    python -m disdepth_cli.demo.rooms rooms --count 240 --size 96x128 --seed 0
    python examples/train.py rooms/data.yaml disdepth_cli/assets/tiny_teacher runs/rooms

The first command renders rooms with exact depth; the tiny teacher ships with the package.
"""

from __future__ import annotations

import sys
from typing import Any

from disdepth_cli import acclimate, distill, evaluate
from disdepth_cli.observer import Silent

ROOMS = {"student": "resnet18", "pretrained": False, "input_size": "96x128", "max_steps": 120}
"""For the rendered rooms. Leave them out for photographs: ImageNet weights, 240x320, 10 epochs."""


class Printer(Silent):
    """Prints each validation; `on_step`, `on_note` and `on_warning` may be overridden too."""

    def on_validation(self, step: int, epoch: int, metrics: dict[str, float], is_best: bool) -> None:
        print(f"step {step}: RMSE {metrics['rmse']:.3f} m{', the best so far' if is_best else ''}")


def main(data: str, teacher: str, folder: str, options: dict[str, Any] = ROOMS) -> dict[str, float]:
    """Train into `folder`/teacher, /student and /student-control; the student's RMSE [m] and its gain."""
    watch = [Printer()]
    acclimate(teacher, data, output=f"{folder}/teacher", observers=watch, **options)
    report = distill(
        data, teacher=f"{folder}/teacher", output=f"{folder}/student", control=True, observers=watch, **options
    )
    assert report.gain is not None
    gain = report.gain["rmse"]
    print(f"distilled - control: {gain['difference']:+.3f} m RMSE, {gain['verdict']}")
    scores = evaluate(report.run, data)
    print(f"{scores.images} val images: abs_rel {scores.abs_rel:.3f}, RMSE {scores.rmse:.3f} m")
    return {"rmse": scores.rmse, "difference": gain["difference"]}


if __name__ == "__main__":
    main(*sys.argv[1:4])
