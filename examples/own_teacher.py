"""A network of your own as a teacher: describe it, look at what it is, train a student with it.

    python examples/own_teacher.py rooms/data.yaml runs/own
    disdepth distill --teacher examples/own_teacher.py:my_teacher --data rooms/data.yaml

The network here is untrained: put yours in its place.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn

from disdepth_cli import acclimate, distill
from disdepth_cli.teachers import TeacherDescription


class Network(nn.Module):
    """Stands for your network: image -> {"depth": (B, 1, H / 16, W / 16) [mm]}."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.GELU())
        self.deep = nn.Sequential(nn.Conv2d(16, 32, 4, 4), nn.GELU())
        self.head = nn.Conv2d(32, 1, 1)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"depth": 3000 + 1000 * torch.tanh(self.head(self.deep(self.stem(image))))}


def my_teacher() -> TeacherDescription:
    """What disdepth has to know of the network."""
    torch.manual_seed(0)
    network = Network()  # network.load_state_dict(torch.load("weights.pth", weights_only=True))
    return TeacherDescription(
        network=network,
        kind="metric_depth",  # or disparity, relative_depth
        taps=["stem", "deep"],  # submodules whose outputs are features, finest first; none: depth alone
        output=lambda given: given["depth"] / 1000,  # metres
        size=(96, 128),
        multiple=16,
        licence="mit",
    )


def main(data: str, folder: str, **options: Any) -> str:
    """Train a student into `folder`; the run folder."""
    print(acclimate(my_teacher, data, dry_run=True).teacher["taps"])
    return distill(data, teacher=my_teacher, pretrained=False, output=folder, **options).run


if __name__ == "__main__":
    main(*sys.argv[1:3])
