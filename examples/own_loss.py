"""A student trained in a loop of your own, with a loss of your own, and saved as disdepth saves it.

    python examples/own_loss.py rooms/data.yaml disdepth_cli/assets/tiny_teacher own.safetensors

The images have one size. `disdepth distill` does more: views, validation, acclimated features, resume.
"""

import sys

import cv2
import numpy as np
import torch
from torch import Tensor

from disdepth_cli import load_student, load_teacher
from disdepth_cli.checkpoint.metadata import save_checkpoint
from disdepth_cli.data.files.pair import load_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.losses.depth import log_l1, silog
from disdepth_cli.working_size import WorkingSize, fit, to_pixels


def sized(image: np.ndarray, depth: np.ndarray, size: WorkingSize) -> tuple[Tensor, Tensor]:
    """The image (1, 3, h, w) in [0, 1] and its label (1, 1, h, w) [m], 0 where unknown, at the student's size."""
    image, place = fit(image, size)
    label, (top, left), (rows, columns) = np.zeros(image.shape[:2], np.float32), place.offset, place.scaled
    label[top : top + rows, left : left + columns] = cv2.resize(depth, (columns, rows), interpolation=cv2.INTER_NEAREST)
    return torch.from_numpy(to_pixels(image)), torch.from_numpy(label)[None, None]


def edges(depth: Tensor, wanted: Tensor) -> Tensor:
    """Your own term: mean difference of the gradients of ln depth, (B, 1, H, W) [m] each."""
    error = depth.log() - wanted.log()
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


def main(data: str, teacher_name: str, output: str, steps: int = 100, batch: int = 4) -> list[float]:
    """Go on training the bundled student on labels and a teacher's depth; the losses."""
    source, teacher, student = load_source(data), load_teacher(teacher_name), load_student("bundled").train()
    items, size, losses = source.items("train"), student.architecture.working_size, []
    optimiser = torch.optim.AdamW(student.parameters(), 1e-4)
    for step in range(steps):
        places = range(step * batch, (step + 1) * batch)
        pairs = [sized(*load_pair(items[place % len(items)], source), size) for place in places]
        pixels, label = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        found, taught = student(pixels).depth, teacher(pixels).depth
        loss = silog(found, label, label > 0) + log_l1(found, taught) + edges(found, taught)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
        print(f"step {step + 1}: loss {losses[-1]:.3f}")
    save_checkpoint(output, student.state_dict(), student.describe("student"))
    return losses


if __name__ == "__main__":
    main(*sys.argv[1:4])
