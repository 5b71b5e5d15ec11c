"""Take the depth of all but a few training images away: the data of the bench's few labels among many images.

    python benchmarks/few_labels.py data.yaml LISTS --labels 69

Writes LISTS/labelled-69.yaml (every tenth of 690 pairs, and nothing else: all that a control can use) and
LISTS/mixed-69.yaml (the same, and the other images without their depth). For data.yaml whose `train:` is a list.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml


def main(
    data: Annotated[Path, typer.Argument(help="data.yaml whose train: is a list of pairs")],
    out: Annotated[Path, typer.Argument(help="folder for the lists and the two data.yaml")],
    labels: Annotated[int, typer.Option(min=1, help="pairs that keep their depth, evenly spaced")] = 69,
) -> None:
    """Write the two data sets."""
    described = yaml.safe_load(data.read_text(encoding="utf-8"))
    root = (data.parent / described.get("path", ".")).resolve()
    pairs = [line.split() for line in (root / described["train"]).read_text(encoding="utf-8").splitlines() if line]
    if labels >= len(pairs):
        raise typer.BadParameter(f"{data} has {len(pairs)} training pairs: keep fewer than that")
    kept = {index * len(pairs) // labels for index in range(labels)}
    out.mkdir(parents=True, exist_ok=True)
    lists = {
        f"labelled-{labels}.txt": [" ".join(pair) for index, pair in enumerate(pairs) if index in kept],
        f"unlabelled-{labels}.txt": [pair[0] for index, pair in enumerate(pairs) if index not in kept],
    }
    for name, lines in lists.items():
        (out / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    few = described | {"path": str(root), "train": str((out / f"labelled-{labels}.txt").resolve())}
    mixed = few | {"unlabeled": str((out / f"unlabelled-{labels}.txt").resolve())}
    for name, values in (("labelled", few), ("mixed", mixed)):
        (out / f"{name}-{labels}.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        print(out / f"{name}-{labels}.yaml")


if __name__ == "__main__":
    typer.run(main)
