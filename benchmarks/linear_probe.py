"""How much of a scene's depth lies open in a network's features: a linear readout, beside that of the place alone.

    python benchmarks/linear_probe.py data.yaml MODEL... --backbone efficientnet-lite0 --weights ...

MODEL: run folders of students, and runs of `disdepth acclimate`, whose acclimated features are read. --backbone: a bare
one, with --weights or at random. Ridge regression of log depth at stride 8 on the features of strides 8, 16 and 32 and
on where the pixel lies; fitted on one training view an image, the ridge chosen on one batch in five of them, scored on
a plain view of each val image. The views lie inside the protocol's border, so the figures compare with one another, not
with `disdepth evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor
from torch.nn import functional as F

from disdepth_cli.config import AugmentConfig, DistillConfig
from disdepth_cli.data.batches.loader import TrainDataset, train_loader
from disdepth_cli.data.batches.views import TrainView
from disdepth_cli.method.ridge import ridge_solution, with_one
from disdepth_cli.models.encoder import BackboneStart, build_encoder
from disdepth_cli.models.student import load_checkpoint
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.scoring.acclimated_run import load_acclimated
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.prepare import prepare_data
from disdepth_cli.types import DepthBatch, FeatureMaps

LEVELS = (1, 2, 3)  # strides 8, 16 and 32
STRIDE = 8
LEAST_COVERED = 0.3  # of a cell's pixels, for its mean log depth to count
EVERY = 7  # cells of the training views that count, one in so many
HELD_OUT = 5  # one training batch in so many
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
Look = Callable[[Tensor], FeatureMaps]
"""image (B, 3, H, W) RGB in [0, 1] -> features at strides 4, 8, 16 and 32, or none at all."""


def student(run: Path) -> Look:
    """The features of a student's backbone."""
    model, _ = load_checkpoint(run)
    model.eval()
    return lambda image: model.encoder((image - model.mean) / model.std)


def acclimated(run: Path) -> Look:
    """The features that an acclimated teacher has in its student's place."""
    model, _ = load_acclimated(run, "fp32", offline=True)
    model.eval()
    return lambda image: model(image).features


def backbone(name: str, weights: Path | None) -> Look:
    """The features of a bare backbone."""
    encoder, data = build_encoder(name, BackboneStart(weights=weights))
    mean, std = (torch.tensor(data[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    encoder.eval()
    return lambda image: encoder((image - mean) / std)


def cells(batch: DepthBatch) -> Tensor:
    """Mean log depth (B, H / 8 * W / 8) of each cell; NaN where too little of it is known."""
    log = torch.where(batch.valid, batch.depth.clamp(min=1e-3).log(), 0.0)
    covered = F.avg_pool2d(batch.valid.float(), STRIDE)
    mean = F.avg_pool2d(log, STRIDE) / covered.clamp(min=1e-6)
    return torch.where(covered >= LEAST_COVERED, mean, torch.nan).flatten(1)


def inputs(look: Look, image: Tensor) -> Tensor:
    """(B, H / 8 * W / 8, N): place and features of each cell."""
    height, width = (side // STRIDE for side in image.shape[-2:])
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    place = torch.stack([y, x, y * y, x * x, x * y, y**3]).expand(len(image), -1, -1, -1)
    features = look(image)
    finer = [
        F.interpolate(features[level].float(), size=(height, width), mode="bilinear", align_corners=False)
        for level in LEVELS
        if features
    ]
    return torch.cat([place, *finer], dim=1).flatten(2).transpose(1, 2)


def training_views(data: TrainingData, config: DistillConfig) -> Iterable[DepthBatch]:
    """One view of every training image, as training has them."""
    stored = data.batches(config.loop.batch_size, 0, 1, config.loop.seed)(
        0, data.batches_per_epoch(config.loop.batch_size, 1)
    )
    return (batch.to(torch.device("cpu")) for batch in stored)


def plain_views(data: TrainingData, config: DistillConfig) -> Iterable[DepthBatch]:
    """One view of every val image by itself: a window inside the border, nothing else changed."""
    plain = AugmentConfig(flip=0, scale=1, colour_probability=0)
    border, crop = data.protocol.training_box, data.crop_size()
    view = TrainView(plain, crop, data.working_size, border, 0, data.min_depth, data.max_depth)
    dataset = TrainDataset(data.source.items("val"), data.source, view)
    stored = train_loader(dataset, [[(0, place)] for place in range(len(dataset))], config.machine.workers or 0)
    return (batch.to(torch.device("cpu")) for batch in stored)


def fit(look: Look, batches: list[DepthBatch]) -> Tensor:
    """Weights (N + 1,) of the readout."""
    gram = product = 0.0
    held: list[tuple[Tensor, Tensor]] = []
    for number, batch in enumerate(batches):
        x, y = inputs(look, batch.image).flatten(0, 1).double(), cells(batch).flatten().double()
        known = torch.isfinite(y)
        x, y = with_one(x[known][::EVERY]), y[known][::EVERY, None]
        if number % HELD_OUT == 0:
            held.append((x, y))
        else:
            gram, product = gram + x.T @ x, product + x.T @ y
    solutions = [ridge_solution(gram, product, ridge) for ridge in RIDGES]
    return min(solutions, key=lambda weights: sum(float((x @ weights - y).square().sum()) for x, y in held))[:, 0]


def score(look: Look, weights: Tensor, batches: list[DepthBatch]) -> dict[str, float]:
    """Means over images of RMSE [m] and of SILog [%], the shape alone; and the spread of their mean log error."""
    rmse, shape, bias = [], [], []
    for batch in batches:
        x, truth = with_one(inputs(look, batch.image)[0].double()), cells(batch)[0].double()
        known = torch.isfinite(truth)
        said, truth = (x @ weights)[known], truth[known]
        error = said - truth
        rmse.append((said.exp() - truth.exp()).square().mean().sqrt())
        shape.append(100 * error.std(correction=0))
        bias.append(error.mean())
    mean = {name: float(torch.stack(values).mean()) for name, values in (("rmse", rmse), ("silog", shape))}
    return mean | {"spread of log scale": float(torch.stack(bias).std())}


@torch.no_grad()
def main(
    data: Annotated[Path, typer.Argument(help="data.yaml")],
    models: Annotated[list[Path] | None, typer.Argument(help="students and acclimated runs")] = None,
    name: Annotated[list[str] | None, typer.Option("--backbone", help="a bare backbone; may be repeated")] = None,
    weights: Annotated[Path | None, typer.Option(help="ImageNet weights of the first --backbone")] = None,
) -> None:
    """Print a table."""
    config = DistillConfig(data=data, distill=False)
    ready = prepare_data(config)
    looks: dict[str, Look] = {"place alone": lambda _: []}
    for place, one in enumerate(name or []):
        given = weights if place == 0 else None
        looks[f"{one}, {'random' if given is None else given.stem}"] = backbone(one, given)
    for run in models or []:
        looks[str(run)] = (acclimated if RunContents(Path(run)).has_acclimation else student)(run)
    train, val = ([batch for batch in make(ready, config) if len(batch)] for make in (training_views, plain_views))
    print("| features | rmse | silog | spread of log scale |\n|---|---|---|---|")
    for title, look in looks.items():
        figures = score(look, fit(look, train), val)
        print(f"| {title} | " + " | ".join(f"{value:.3f}" for value in figures.values()) + " |", flush=True)


if __name__ == "__main__":
    typer.run(main)
