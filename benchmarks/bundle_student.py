"""Make a run's student the one that ships with the package: float16, with a card in its metadata.

    python benchmarks/bundle_student.py RUN

The weights go to disdepth_cli/assets/student.safetensors; what they learned from and what they are
worth stay in the header.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from disdepth_cli.checkpoint.locate import BUNDLED
from disdepth_cli.checkpoint.metadata import save_checkpoint
from disdepth_cli.models.student import load_checkpoint

CARD = (
    "Indoor scenes, 0 to 10 m. Trained on research data (NYU Depth V2, official train half), which its user has to "
    "mind; its teachers were trained on scenes of that half too. Outdoors, and on cameras with a very different field "
    "of view, its metres are wrong. Recipe, figures and the commands that rebuild it: "
    "disdepth_cli/assets/student_card.md."
)
LARGEST = 10_000_000  # bytes


def main(run: Path) -> None:
    """Write the bundled student and say how large it is."""
    student, metadata = load_checkpoint(run)
    metadata.recipe["card"] = CARD
    save_checkpoint(BUNDLED, student.state_dict(), metadata, dtype=torch.float16)
    size = BUNDLED.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{BUNDLED}: {size} bytes, more than {LARGEST}")
    print(f"{BUNDLED}: {size / 1e6:.2f} MB, metrics of the float32 weights: {metadata.metrics}")
    print("now measure what ships: disdepth evaluate bundled --data DATA")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
