"""Is training on a GPU right? Losses by precision, beside the CPU; a kill and a resume; what goes wrong, in one line.

    python benchmarks/gpu_right.py OUT [--device cuda] [--length full|short]

Run by gpu.sh, which makes OUT/rooms. Writes OUT/right.md. Expected: losses of fp32, bf16 and fp16 within 2 % of each
other, a GPU's RMSE within 1 % of the CPU's in fp32, a resumed run's within 1 % of one that was never stopped.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

TEACHER = Path(__file__).parents[1] / "disdepth_cli" / "assets" / "tiny_teacher"
VERB = [sys.executable, "-m", "disdepth_cli"]


@dataclass
class Setup:
    """Where everything lies, and how much is done."""

    out: Path
    device: str
    steps: int
    size: str

    def options(self, name: str, device: str | None = None, **more: object) -> list[str]:
        """Of a run of distill, started afresh."""
        run = self.out / "runs" / name
        shutil.rmtree(run, ignore_errors=True)
        given = {
            "data": self.out / "rooms" / "data.yaml", "output": run, "device": device or self.device, "batch-size": 8,
            "input-size": self.size, "max-steps": self.steps, "student": "resnet18", "seed": 0, "workers": 2,
        } | {name.replace("_", "-"): value for name, value in more.items()}  # fmt: skip
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        return ["distill", *words, "--teacher", str(self.out / "runs" / "teacher"), "--no-pretrained", "--offline"]

    def report(self, name: str) -> dict:
        """Of a finished run."""
        return json.loads((self.out / "runs" / name / "report.json").read_text())

    def loss(self, name: str) -> float:
        """The mean training loss of a run's last quarter."""
        with open(self.out / "runs" / name / "metrics.csv", newline="") as handle:
            losses = [float(row["loss"]) for row in csv.DictReader(handle) if row["split"] == "train"]
        last = losses[-max(len(losses) // 4, 1) :]
        return sum(last) / len(last)


def run(*command: str, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run disdepth to its end."""
    whole = [sys.executable, "-m", *launcher, "-m", "disdepth_cli"] if launcher else VERB
    return subprocess.run([*whole, *command, "--quiet"], capture_output=True, text=True, check=False)


def trained(setup: Setup, name: str, launcher: tuple[str, ...] = (), **more: object) -> dict:
    """The report of a run that is made now."""
    result = run(*setup.options(name, **more), launcher=launcher)
    if result.returncode:
        sys.exit(f"{name}: {result.stderr}")
    return setup.report(name)


def acclimate(setup: Setup) -> None:
    """The teacher that all runs share."""
    target = setup.out / "runs" / "teacher"
    if (target / "report.json").is_file():
        return
    shutil.rmtree(target, ignore_errors=True)
    options = setup.options("teacher", device="cpu", max_steps=max(setup.steps // 2, 4))
    words = options[1 : options.index("--teacher")]
    result = run("acclimate", *words, "--teacher", str(TEACHER), "--offline")
    if result.returncode:
        sys.exit(f"acclimate: {result.stderr}")


def precisions(setup: Setup) -> list[str]:
    """Losses by precision, and the RMSE of the CPU beside the device's."""
    names = ["fp32", "bf16", "fp16"] if setup.device == "cuda" else ["fp32", "bf16"]
    rmse = {name: trained(setup, name, precision=name)["final"]["rmse"] for name in names}
    rmse["cpu fp32"] = trained(setup, "cpu", device="cpu", precision="fp32")["final"]["rmse"]
    losses = {name: setup.loss(name) for name in names} | {"cpu fp32": setup.loss("cpu")}
    lines = [f"| {name} | {losses[name]:.4f} | {rmse[name]:.4f} |" for name in losses]
    spread = max(losses[name] for name in names) / min(losses[name] for name in names) - 1
    apart = abs(rmse["fp32"] / rmse["cpu fp32"] - 1)
    return [
        f"| {setup.steps} steps, {setup.size} | loss of the last quarter | RMSE [m] |",
        "|---|---|---|",
        *lines,
        "",
        f"- losses of the precisions: {100 * spread:.1f} % apart at most (goal 2 %)",
        f"- {setup.device} fp32 and CPU fp32: RMSE {100 * apart:.1f} % apart (goal 1 %)",
    ]


def killed(setup: Setup) -> str:
    """A run that is killed halfway and resumed, beside one that was not."""
    options = setup.options("killed", precision="fp32", save_every=0)
    process = subprocess.Popen([*VERB, *options, "--quiet"], stderr=subprocess.PIPE, text=True)
    state = setup.out / "runs" / "killed" / "last" / "state.json"
    while process.poll() is None:
        if state.is_file() and json.loads(state.read_text())["done"] >= setup.steps // 2:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.02)
    process.communicate()
    done = json.loads(state.read_text())["done"]
    result = run("distill", "--resume", "-o", str(setup.out / "runs" / "killed"))
    if result.returncode:
        return f"- killed at step {done}, and not resumed: {result.stderr.strip()}"
    rmse = [setup.report(name)["final"]["rmse"] for name in ("killed", "fp32")]
    return f"- killed at step {done} and resumed: RMSE {rmse[0]:.4f}, never stopped {rmse[1]:.4f} (goal: 1 % apart)"


def one_process(setup: Setup) -> str:
    """torchrun with one process is a plain run."""
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", "1")
    rmse = trained(setup, "torchrun", launcher, precision="fp32")["final"]["rmse"]
    return f"- torchrun with one process: RMSE {rmse:.4f}, without {setup.report('fp32')['final']['rmse']:.4f}"


def broken(setup: Setup) -> list[str]:
    """Four things that go wrong, each with the line it ends in."""
    gpus = max(torch.cuda.device_count(), 1)
    too_many = ("torch.distributed.run", "--standalone", "--nproc-per-node", str(gpus + 1))
    lines = [f"- no such device: {last_line(run(*setup.options('absent', device='cuda:99')))}"]
    if setup.device == "cuda":
        full = run(*setup.options("full", batch_size=4096, input_size="480x640", workers="auto"))
        lines.append(f"- more processes than GPUs: {last_line(run(*setup.options('many'), launcher=too_many))}")
        lines.append(f"- a device without memory: {last_line(full)}")
    mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm"
    if shutil.which("unshare") and not os.system(f"unshare -m bash -c '{mount}' 2>/dev/null"):
        command = ["unshare", "-m", "bash", "-c", f'{mount} && exec "$@"', "bash", *VERB]
        options = [*setup.options("little"), "--quiet"]
        result = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        lines.append(f"- 1 MB of shared memory: exit {result.returncode} {last_line(result)}".rstrip())
    else:
        lines.append("- 1 MB of shared memory: not tried, no mount namespace can be made here")
    return lines


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    """What a run says at its end."""
    own = [line for line in result.stderr.splitlines() if line.startswith(("error:", "interrupted:"))]
    return f"`{own[-1]}`" if own else f"(exit {result.returncode})"


def main() -> None:
    """Write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--length", default="full", choices=["full", "short"])
    args = parser.parse_args()
    short = args.length == "short"
    setup = Setup(args.out.absolute(), args.device, 6 if short else 200, "64x96" if short else "192x256")
    acclimate(setup)
    name = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    lines = [f"## Is it right? ({name}, PyTorch {torch.__version__})", "", *precisions(setup)]
    lines += [killed(setup), one_process(setup), *broken(setup), ""]
    (args.out / "right.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
