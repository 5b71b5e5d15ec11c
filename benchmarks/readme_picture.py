"""The picture of README: rendered rooms, the teacher's depth, the student's depth, and the student's error.

    python benchmarks/readme_picture.py docs/rooms.png --teacher TEACHER --room 7:2 --room 31:1

A room is SEED:INDEX of disdepth_cli/demo/rooms.py, rendered at 240x320, with exact depth. Depth has one colour scale a
row; the scale of the error is symmetric about 0. README's teacher is a ViT-S trained on 690 NYU images, the first
teacher of the bundled student. On the two rooms it errs less than on most.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from disdepth_cli.demo.rooms import room
from disdepth_cli.depth.colours import colourise
from disdepth_cli.outputs.pictures import Row, panel, write_image
from disdepth_cli.scoring.open_model import open_model

SIZE = (240, 320)  # height and width [pixels]
ERROR = 2.0  # metres at the ends of the colours of the error


def main(
    out: Annotated[Path, typer.Argument(help="PNG or JPEG to write")],
    teacher: Annotated[str, typer.Option(help="Hub id or local folder of the teacher")],
    student: Annotated[str, typer.Option(help="student")] = "bundled",
    rooms: Annotated[list[str] | None, typer.Option("--room", help="SEED:INDEX, may be repeated")] = None,
) -> None:
    """Write the picture: a row a room."""
    models = [open_model(name, offline=True) for name in (teacher, student)]
    rows: list[Row] = []
    for name in rooms or ["0:0"]:
        seed, index = map(int, name.split(":"))
        image, millimetres = room(seed, 0, index, *SIZE)
        truth = millimetres / 1000
        depths = [model.predict(image) for model in models]
        low, high = np.percentile([truth, *depths], (2, 98))
        shown = [colourise(depth, low=low, high=high) for depth in depths]
        error = depths[1] - truth
        wrong = colourise(error, "coolwarm", -ERROR, ERROR, valid=np.ones(SIZE, bool))
        means = [f"RMSE {np.sqrt(((depth - truth) ** 2).mean()):.2f} m" for depth in depths]
        titles = ("image", f"teacher: {means[0]}", f"student: {means[1]}", f"error, blue: {ERROR:g} m too near")
        rows.append(list(zip(titles, (image, *shown, wrong), strict=True)))
    write_image(out, panel(rows))


if __name__ == "__main__":
    typer.run(main)
