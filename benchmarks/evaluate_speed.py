"""What evaluate costs beside its model's forward passes alone, on the same images.

    python benchmarks/evaluate_speed.py [MODEL ...] [--data DATA] [--images 60] [--repetitions 5] [--workers 2]

MODEL: anything that `disdepth evaluate` takes; by default the bundled student. DATA: by default rooms that
`python -m disdepth_cli.demo.rooms` renders. In every repetition the model first runs over inputs in memory, then
`evaluate` does all of it: decode and resize, forward, metrics with their details, intervals. Baselines and teacher
are off; the time of the baselines stands in a line of its own. So does opening the model, which does not grow with
the images.

Expected: up to 1.15 times the forward for a ViT-S teacher on a CPU, where decoding (5 ms an image) and metrics
(15 ms) run in threads beside a forward of 250 ms that takes all cores; more for a student, whose forward of 50 ms is
not much longer than these.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from disdepth_cli.config import EvaluateConfig
from disdepth_cli.data.batches.loader import EvalDataset
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.demo.rooms import write_rooms
from disdepth_cli.engine import evaluate as verb
from disdepth_cli.scoring.open_model import open_model


def main() -> None:
    """Measure each model in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["bundled"], metavar="MODEL")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    print(f"{torch.get_num_threads()} threads for the forward, {args.workers} to decode and {args.workers} to score")
    with tempfile.TemporaryDirectory() as folder:
        data = args.data or rendered(Path(folder), args.images)
        source = load_source(data)
        source = replace(source, val=tuple(source.items("val"))[: args.images])
        verb.load_source = lambda _: source  # the same images for both, however many the data has
        for model in args.models:
            measure(model, data, source, args)


def rendered(folder: Path, images: int) -> Path:
    """A data.yaml of that many rooms of 480 x 640, all of them val and train."""
    write_rooms(folder, images, 480, 640, seed=0)
    described = folder / "both.yaml"
    described.write_text("train: [train.txt, val.txt]\nval: [train.txt, val.txt]\n")
    return described


def measure(model: str, data: Path, source: DataSource, args: argparse.Namespace) -> None:
    """Print the times of one model."""
    predictor = open_model(model, args.device)
    loaded = EvalDataset(source.val, source, predictor.working_size)
    inputs = [item.image for item in map(loaded.__getitem__, range(len(loaded))) if not item.error]
    options = {"model": model, "data": data, "workers": args.workers, "device": args.device}
    config = EvaluateConfig(**options, baselines=False)
    predictor.run(inputs[0])
    forward, scoring, opening, work = [], [], [], []
    for _ in range(args.repetitions):
        began, worked = time.perf_counter(), time.process_time()
        for image in inputs:
            predictor.run(image)
        forward.append(time.perf_counter() - began)
        between = time.process_time()
        seconds = verb.evaluate(config).seconds
        work.append((time.process_time() - between) / (between - worked))
        scoring.append(seconds["scoring"])
        opening.append(seconds["opening"])
    beside = verb.evaluate(EvaluateConfig(**options, score_teacher=False)).seconds["baselines"]
    size = "x".join(map(str, inputs[0].shape[-2:]))
    each = 1000 * statistics.median(forward) / len(inputs)
    ratio = [one / other for one, other in zip(scoring, forward, strict=True)]
    whole = [(first + one) / other for first, one, other in zip(opening, scoring, forward, strict=True)]
    print(f"\n{model}: {len(inputs)} images, input {size}, {args.repetitions} repetitions; median (least to most)")
    print(f"  forward alone        {spread(forward)} s   {each:.1f} ms an image")
    print(f"  evaluate             {spread(scoring)} s   without baselines and opening the model")
    print(f"  evaluate / forward   {spread(ratio)}")
    print(f"  opening the model    {spread(opening)} s   with it {spread(whole)} times the forward")
    print(f"  the same in CPU time {spread(work)}   with opening; other work on the machine hardly counts")
    print(f"  baselines            {beside:6.3f} s   constant and mean map, once", flush=True)


def spread(values: list[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(values):6.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
