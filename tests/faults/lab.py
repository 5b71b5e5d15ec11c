"""What the trials are made on: rendered rooms, the bundled tiny teacher, a run of it, a student, shards."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from outcome import disdepth

from disdepth_cli.checkpoint.locate import TINY_TEACHER

TINY = ("--input-size", "64x96", "--batch-size", "4", "--workers", "0", "--device", "cpu", "--offline")
STUDENT = ("--student", "mobilenetv2_050", "--decoder-channels", "16", "--bins", "16")


@dataclass(frozen=True)
class Lab:
    """A folder with all of it."""

    folder: Path

    @property
    def data(self) -> Path:
        """`data.yaml` of twenty rooms, two of them val."""
        return self.folder / "rooms" / "data.yaml"

    @property
    def teacher(self) -> Path:
        """A copy of the tiny teacher."""
        return self.folder / "teacher"

    @property
    def acclimated(self) -> Path:
        """A finished acclimation."""
        return self.folder / "acclimated"

    @property
    def run(self) -> Path:
        """A finished distillation."""
        return self.folder / "run"

    @property
    def shards(self) -> Path:
        """The rooms, packed."""
        return self.folder / "shards"

    @property
    def acclimate(self) -> tuple[object, ...]:
        """The command of a run, without its folder."""
        steps = ("--max-steps", 4, "--attention-steps", 3)
        return ("acclimate", "--teacher", self.teacher, "--data", self.data, *steps, *STUDENT, *TINY)

    @property
    def distill(self) -> tuple[object, ...]:
        """As `acclimate`."""
        source = ("--teacher", self.acclimated, "--data", self.data, "--no-pretrained")
        return ("distill", *source, "--max-steps", 9, "--save-every", 0, *STUDENT, *TINY)

    @property
    def pack(self) -> tuple[object, ...]:
        """As `acclimate`."""
        return ("pack", self.data, "--shard-count", 4, "--workers", 0)

    @classmethod
    def made(cls, folder: Path) -> Lab:
        """All of it, made by the command line in a new folder."""
        lab = cls(folder)
        rooms = ("--count", "20", "--size", "64x96", "--seed", "5")
        module = [sys.executable, "-m", "disdepth_cli.demo.rooms"]
        subprocess.run([*module, str(lab.data.parent), *rooms], check=True, capture_output=True)
        shutil.copytree(TINY_TEACHER, lab.teacher)
        for command, place in ((lab.acclimate, lab.acclimated), (lab.distill, lab.run), (lab.pack, lab.shards)):
            result = disdepth(*command, "-o", place)
            if result.returncode:
                raise RuntimeError(f"the lab cannot be made: {result.stderr}")
        return lab
