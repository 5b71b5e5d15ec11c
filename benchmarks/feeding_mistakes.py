"""What a program loses that feeds a student's network wrongly: one line a mistake, the right way first.

    python benchmarks/feeding_mistakes.py DATA [--model bundled]

DATA has val images of 480x640 with depth; they are scored under its own protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import typer
from torch import Tensor, nn

from disdepth_cli.data.sets.open import load_source
from disdepth_cli.models.student import DepthStudent, load_checkpoint
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.scoring.score import protocol_of, score, val_items
from disdepth_cli.types import DepthOutput
from disdepth_cli.working_size import Placement, WorkingSize, centred, resize_image


@dataclass(frozen=True)
class Wrong(WorkingSize):
    """A student's working size, and the mistake with which images are brought to it."""

    mistake: Literal["no resize", "BGR", "cubic", "black"] = "BGR"

    def fit(self, image: np.ndarray) -> tuple[np.ndarray, Placement]:
        original = (image.shape[0], image.shape[1])
        if self.mistake == "no resize":
            return image, Placement(original, original, (0, 0))
        if self.mistake == "BGR":
            return super().fit(np.ascontiguousarray(image[..., ::-1]))
        scaled, padded = self.scaled(*original), self.padded(*original)
        cubic = self.mistake == "cubic"
        small = cv2.resize(image, scaled[::-1], interpolation=cv2.INTER_CUBIC) if cubic else resize_image(image, scaled)
        small, offset = centred(small, padded, None if cubic else (0, 0, 0))
        return small, Placement(original, scaled, offset)


class Changed(nn.Module):
    """A student whose pixels are changed on the way in."""

    def __init__(self, student: DepthStudent, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.student, self.change = student, change

    def forward(self, image: Tensor) -> DepthOutput:
        output: DepthOutput = self.student.forward(self.change(image))
        return output


def ways(right: DepthPredictor) -> dict[str, DepthPredictor]:
    """The predictors, by what the program does."""
    student, size = right.model, right.working_size
    assert isinstance(student, DepthStudent)
    stretched = size.padded(size.height, size.width)

    def wrong(mistake: str) -> DepthPredictor:
        return replace(right, working_size=Wrong(**vars(size), mistake=mistake))

    return {
        "nothing wrong": right,
        "gives 480x640 to the network alone, without resizing": wrong("no resize"),
        "gives 0 to 255 in place of 0 to 1": replace(right, model=Changed(student, lambda pixels: pixels * 255)),
        "normalises, although the file does": replace(
            right, model=Changed(student, lambda pixels: (pixels - student.mean) / student.std)
        ),
        "gives BGR": wrong("BGR"),
        f"stretches to {stretched[0]}x{stretched[1]} in place of padding": replace(
            right, working_size=WorkingSize(*stretched, scale_rule="stretch")
        ),
        "resizes with cubic interpolation": wrong("cubic"),
        "pads with black": wrong("black"),
    }


def main(
    data: Annotated[Path, typer.Argument(help="data set with val images of 480x640 and their depth")],
    model: Annotated[str, typer.Option(help="student")] = "bundled",
) -> None:
    """Print the rows of a Markdown table."""
    source = load_source(data)
    items, protocol = val_items(source), protocol_of(source)
    print(f"{model}, {len(items)} images, {protocol.name}\n\n| what the program does | abs_rel | RMSE [m] | delta1 |")
    print("|---|---|---|---|")
    for what, predictor in ways(load_checkpoint(model)[0].predictor("cpu")).items():
        found = score(predictor, source, items, protocol).mean
        print(f"| {what} | {found.abs_rel:.3f} | {found.rmse:.3f} | {found.delta1:.3f} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
