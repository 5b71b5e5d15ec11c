"""What an acclimated teacher looks at: the learned attention of the feature loss on real images, as one picture.

    disdepth acclimate --attention-steps 100 -o ACCLIMATED_RUN ...
    python benchmarks/attention.py ACCLIMATED_RUN OUT.png IMAGE... [--no-image]

A row an image: the image, the teacher's depth, the ghost decoder's, how much a position counts in the feature loss of
each level (its mean over tokens; 1: as in a plain mean; black 0, bright 2), and the tokens of stride 16 (black 0 to
bright 1).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from disdepth_cli.data.files.images import read_image
from disdepth_cli.depth.colours import colourise
from disdepth_cli.losses.attentive import LEAST_SHARE
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher, ghost_size
from disdepth_cli.models.encoder import REDUCTIONS
from disdepth_cli.outputs.pictures import Row, panel, write_image
from disdepth_cli.scoring.acclimated_run import load_acclimated
from disdepth_cli.working_size import WorkingSize, fit, resize_image

TOKENS_OF = REDUCTIONS.index(16)


@torch.no_grad()
def main(
    run: Annotated[Path, typer.Argument(help="run folder of disdepth acclimate")],
    out: Annotated[Path, typer.Argument(help="PNG to write")],
    images: Annotated[list[Path], typer.Argument(help="images")],
    show_image: Annotated[bool, typer.Option("--image/--no-image", help="show the images themselves too")] = True,
) -> None:
    """Write the picture."""
    acclimated, metadata = load_acclimated(run, "fp32", offline=True)
    size = ghost_size(metadata.architecture().working_size)
    rows = [_row(acclimated.eval(), read_image(image), size, image.stem) for image in images]
    write_image(out, panel(rows if show_image else [row[1:] for row in rows]))


def _row(acclimated: AcclimatedTeacher, image: np.ndarray, size: WorkingSize, name: str) -> Row:
    fitted, _ = fit(image, size)
    pixels = torch.from_numpy(fitted).permute(2, 0, 1)[None].float() / 255
    seen = acclimated(pixels)
    assert seen.depth is not None
    depths = [one[0, 0].numpy() for one in (seen.teacher_depth, seen.depth) if one is not None]
    low, high = np.percentile(depths[0], (2, 98))
    row = [(name, fitted)]
    row += [
        (f"{title} {low:.1f} to {high:.1f} m", colourise(depth, low=low, high=high))
        for title, depth in zip(("teacher", "ghost"), depths, strict=True)
    ]
    masks_of_levels = acclimated.acclimation.masks(seen.features)
    for stride, masks in zip(REDUCTIONS, masks_of_levels, strict=True):
        share = (masks / masks.mean(dim=(2, 3), keepdim=True).clamp(min=LEAST_SHARE)).mean(dim=1)[0].numpy()
        row.append((f"weight {share.min():.1f} to {share.max():.1f}, stride {stride}", _map(share, fitted, 2.0)))
    for token, mask in enumerate(masks_of_levels[TOKENS_OF][0].numpy()):
        row.append((f"token {token + 1}: mean {mask.mean():.2f}", _map(mask, fitted, 1.0)))
    return row


def _map(mask: np.ndarray, fitted: np.ndarray, high: float) -> np.ndarray:
    picture = colourise(mask, "magma", 0.0, high, valid=np.ones_like(mask, dtype=bool))
    return resize_image(picture, fitted.shape[:2])


if __name__ == "__main__":
    typer.run(main)
