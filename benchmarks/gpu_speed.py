"""How fast is training on a GPU? Images/s by batch size and workers, how busy the GPU is, what each measure gives.

    python benchmarks/gpu_speed.py OUT [--device cuda] [--length full|short]

Run by gpu.sh, which makes OUT/rooms and OUT/shards. Every figure is of the whole loop (reading, both networks, the
step), from the 20th step on. The teacher is a ViT-S with random weights, which costs what a trained one does. `plain`
is the script that most people write: the same loader settings, float32, the teacher in the loop, a loss read at every
step. Goal on an H200: 90 % busy at batch 64, and three times the images/s of `plain`.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.nn import functional as F

from disdepth_cli.config import AcclimateConfig, DistillConfig
from disdepth_cli.engine.acclimate import acclimate
from disdepth_cli.engine.distill import distill
from disdepth_cli.machine.devices import pick_device
from disdepth_cli.models.student import build_student
from disdepth_cli.observer import Progress, Silent
from disdepth_cli.scoring.acclimated_run import load_acclimated
from disdepth_cli.training.prepare import prepare_data, student_architecture

WARM, PROFILED = 20, 10  # steps before a measurement, and of a profile
Patches = list[Any]


class Clock(Silent):
    """Images/s of a run from the 20th step on, and of some further steps what the GPU did."""

    def __init__(self, profile: bool) -> None:
        self.marks: list[tuple[int, float, int]] = []
        self.images = 0
        self.profiler: Any = None
        self.wanted = profile
        self.began = 0.0
        self.seconds = 0.0

    def on_step(self, progress: Progress) -> None:
        self.images += progress.images
        self.marks.append((progress.step, time.perf_counter(), self.images))
        if self.wanted and progress.step == progress.total - PROFILED:
            activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
            self.profiler = torch.profiler.profile(activities=activities)
            self.profiler.start()
            self.began = time.perf_counter()
        if self.profiler is not None and progress.step == progress.total:
            torch.cuda.synchronize()
            self.seconds = time.perf_counter() - self.began
            self.profiler.stop()

    def images_per_second(self) -> float:
        """Between the mark after the warm-up and the last one that is not profiled."""
        last = self.marks[-1][0] - (PROFILED if self.wanted else 0)
        marks = [mark for mark in self.marks if min(WARM, last // 2) <= mark[0] <= last]
        (_, start, before), (_, end, after) = marks[0], marks[-1]
        return (after - before) / max(end - start, 1e-9)

    def profile(self) -> dict[str, float]:
        """busy: the share of the time in which a kernel ran; kernels and waits of the host a step."""
        events = self.profiler.events()
        kernels = [event for event in events if event.device_type == torch.autograd.DeviceType.CUDA]
        waits = [event for event in events if "Synchronize" in event.name and event.name.startswith("cuda")]
        busy = sum(event.self_device_time_total for event in kernels) / 1e6
        return {"busy": busy / self.seconds, "kernels": len(kernels) / PROFILED, "waits": len(waits) / PROFILED}


class Bench:
    """Runs of distill, each a line of the table."""

    def __init__(self, out: Path, device: str, short: bool) -> None:
        self.out, self.device, self.short = out, device, short
        self.size = "64x96" if short else "240x320"
        self.steps = 8 if short else 60
        self.count = 0
        self.options: dict[str, Any] = {
            "input_size": self.size, "device": device, "pretrained": False, "offline": True, "save_every": 3600,
            "validate_every": 10**6, "init_backbone": "random", "feature_projection": "dropped",
        }  # fmt: skip

    def teacher(self) -> Path:
        """An acclimated ViT-S with random weights."""
        folder, run = self.out / "vit_s", self.out / "vit_s_acclimated"
        if not (run / "report.json").is_file():
            write_vit_s(folder, tiny=self.short)
            options = {"teacher": str(folder), "data": str(self.out / "rooms" / "data.yaml"), "max_steps": 2}
            common = {name: self.options[name] for name in ("input_size", "device", "offline")}
            acclimate(config=AcclimateConfig(**options, **common, output=run, batch_size=4, epochs=1))
        return run

    def run(self, data: str = "shards", profile: bool = False, patches: Patches | None = None, **more: Any) -> Clock:
        """A run of distill under some patches."""
        self.count += 1
        clock = Clock(profile and self.device == "cuda")
        config = DistillConfig(
            data=str(self.out / data / ("data.yaml" if data == "rooms" else "")),
            output=self.out / f"speed-{self.count}",
            teacher=[str(self.teacher())], **{**self.options, "max_steps": self.steps, **more},
        )  # fmt: skip
        with ExitStack() as stack:
            for one in patches or []:
                stack.enter_context(one)
            distill(config=config, observers=[clock])
        return clock


def write_vit_s(folder: Path, tiny: bool) -> None:
    """Depth Anything's ViT-S (a small one for a check of the script), random, in Hub format."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(0)
    width, layers, heads = (24, 4, 2) if tiny else (384, 12, 6)
    out = [1, 2, 3, 4] if tiny else [3, 6, 9, 12]
    backbone = Dinov2Config(
        hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, image_size=518, patch_size=14,
        out_indices=out, reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    neck = [8, 12, 16, 24] if tiny else [48, 96, 192, 384]
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=width, neck_hidden_sizes=neck, patch_size=14,
        fusion_hidden_size=12 if tiny else 64, depth_estimation_type="metric", max_depth=10,
    )  # fmt: skip
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)


def grid(bench: Bench) -> list[str]:
    """Images/s by batch size and workers, and the peak of memory."""
    batches, workers = ((2,), (0, 2)) if bench.short else ((8, 64, 256), (2, 8, 14))
    head = "| batch | " + " | ".join(f"{count} workers" for count in workers) + " | peak memory |"
    lines = ["Images/s of the whole loop, packed shards:", "", head, "|---" * (len(workers) + 2) + "|"]
    for size in batches:
        if bench.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        speeds = [f"{bench.run(batch_size=size, workers=count).images_per_second():.0f}" for count in workers]
        peak = f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if bench.device == "cuda" else "-"
        lines.append(f"| {size} | {' | '.join(speeds)} | {peak} |")
    return [*lines, ""]


def busy(bench: Bench) -> list[str]:
    """What the GPU does in a step."""
    if bench.device != "cuda":
        return []
    seen = bench.run(batch_size=64, workers=14, profile=True).profile()
    return [
        f"At batch 64 with 14 workers a kernel runs {100 * seen['busy']:.0f} % of the time (goal 90 %), "
        f"{seen['kernels']:.0f} kernels and {seen['waits']:.1f} waits of the host a step.",
        "",
    ]


@contextmanager
def contiguous() -> Iterator[None]:
    """No channels_last anywhere."""
    places = ("disdepth_cli.types", "disdepth_cli.machine.devices", "disdepth_cli.predictor")
    with ExitStack() as stack:
        for place in places:
            stack.enter_context(patch(f"{place}.image_layout", lambda device: torch.contiguous_format))
        yield


def fused() -> Any:
    """AdamW as one kernel."""
    whole = torch.optim.AdamW
    return patch("torch.optim.AdamW", lambda *args, **options: whole(*args, fused=True, **options))


def measures(bench: Bench) -> list[str]:
    """What each measure gives, by turns: as it is, with it changed, as it is, ..."""
    common = {"batch_size": 2, "workers": 0} if bench.short else {"batch_size": 64, "workers": 14}
    cases: dict[str, dict[str, Any]] = {
        "contiguous instead of channels_last": {"patches": [contiguous()]},
        "fused AdamW": {"patches": [fused()]},
        "files instead of shards": {"data": "rooms"},
    }
    if not bench.short:
        cases["--compile"] = {"compile": True, "max_steps": 2 * bench.steps}
    lines = ["| changed | images/s | as it is | ratio |", "|---|---|---|---|"]
    for name, case in cases.items():
        changed, plain = bench.run(**common, **case).images_per_second(), bench.run(**common).images_per_second()
        lines.append(f"| {name} | {changed:.0f} | {plain:.0f} | {changed / plain:.2f} |")
    return [*lines, ""]


def transfer(bench: Bench) -> list[str]:
    """A batch on its way: as uint8 and float16 with the colours made on the device, and as float32."""
    device = pick_device(bench.device)
    config = DistillConfig(
        data=str(bench.out / "shards"), batch_size=8 if bench.short else 64, workers=0, **bench.options
    )
    stored = next(prepare_data(config).batches(config.loop.batch_size, 0, 1, 0)(0, 1))
    plain = stored.to(torch.device("cpu"))
    floats = [plain.image, plain.depth, plain.valid]
    if bench.device == "cuda":
        stored, floats = stored.pin_memory(), [value.pin_memory() for value in floats]

    def as_floats() -> None:
        for value in floats:
            value.to(device, non_blocking=True)

    seconds: dict[str, list[float]] = {"stored": [], "floats": []}
    calls: dict[str, Callable[[], object]] = {"stored": lambda: stored.to(device), "floats": as_floats}
    for _ in range(12):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if bench.device == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - began)
    middle = {name: sorted(some)[len(some) // 2] * 1e3 for name, some in seconds.items()}
    return [
        f"A batch of {len(stored)} on its way: {middle['stored']:.2f} ms as five bytes a pixel, "
        f"{middle['floats']:.2f} ms as seventeen.",
        "",
    ]


def plain_script(bench: Bench) -> list[str]:
    """The script that most people write, beside distill with the same loader settings."""
    size, workers = (2, 0) if bench.short else (64, 14)
    device = pick_device(bench.device)
    config = DistillConfig(data=str(bench.out / "shards"), batch_size=size, workers=workers, **bench.options)
    data = prepare_data(config)
    student = build_student(student_architecture(config.student, data)).to(device).train()
    acclimated = load_acclimated(bench.teacher(), "fp32", offline=True)[0].to(device).eval()
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-3)
    began, images = 0.0, 0
    for number, stored in enumerate(data.batches(config.loop.batch_size, 0, 1, 0)(0, bench.steps)):
        if number == min(WARM, bench.steps // 2):
            began, images = time.perf_counter(), 0
        ready = stored.to(torch.device("cpu"))  # float32 images, as a dataset gives them
        image, depth, valid = (value.to(device) for value in (ready.image.contiguous(), ready.depth, ready.valid))
        with torch.no_grad():
            seen = acclimated(image)
        output = student(image)
        error = torch.log(output.depth[valid]) - torch.log(depth[valid])
        loss = 10 * torch.sqrt(error.square().mean() - 0.85 * error.mean().square() + 1e-6)
        loss = loss + (torch.log(output.depth) - torch.log(seen.depth)).abs().mean()
        loss = loss + sum(F.mse_loss(a, b) for a, b in zip(output.features, seen.features, strict=True))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        loss.item()
        images += len(stored)
    plain = images / (time.perf_counter() - began)
    ours = bench.run(batch_size=size, workers=workers).images_per_second()
    return [f"distill {ours:.0f} images/s, the plain script {plain:.0f}: {ours / plain:.1f} times (goal 3).", ""]


def main() -> None:
    """Write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--length", default="full", choices=["full", "short"])
    args = parser.parse_args()
    bench = Bench(args.out.absolute(), args.device, args.length == "short")
    for old in bench.out.glob("speed-*"):
        shutil.rmtree(old)
    lines = [f"## How fast is it? (mobilenetv2 from a ViT-S, {bench.size})", ""]
    for part in (grid, busy, measures, transfer, plain_script):
        lines += part(bench)
    (args.out / "speed.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
