"""What the trials are made on: rendered rooms, the bundled tiny teacher, a run of it, a student, shards."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from outcome import disdepth

from disdepth_cli.checkpoint.locate import TINY_TEACHER

TINY = ("--input-size", "64x96", "--batch-size", "4", "--workers", "0", "--device", "cpu", "--offline")
STUDENT = ("--student", "mobilenetv2_050", "--decoder-channels", "16", "--bins", "16")


class Lab:
    """A folder where each thing is made when it is first asked for, by the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def data(self) -> Path:
        """`data.yaml` of twenty rooms, two of them val."""
        rooms = self.folder / "rooms"
        command = [sys.executable, "-m", "disdepth_cli.demo.rooms", str(rooms)]
        subprocess.run([*command, "--count", "20", "--size", "64x96", "--seed", "5"], check=True, capture_output=True)
        return rooms / "data.yaml"

    @cached_property
    def teacher(self) -> Path:
        """A copy of the tiny teacher that comes with the package."""
        return Path(shutil.copytree(TINY_TEACHER, self.folder / "teacher"))

    @cached_property
    def acclimated(self) -> Path:
        """A finished acclimation."""
        return self._made(self.acclimate, "acclimated")

    @cached_property
    def run(self) -> Path:
        """A finished distillation."""
        return self._made(self.distill, "run")

    @cached_property
    def shards(self) -> Path:
        """The rooms, packed."""
        return self._made(self.pack, "shards")

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

    def _made(self, command: tuple[object, ...], name: str) -> Path:
        result = disdepth(*command, "-o", self.folder / name)
        if result.returncode:
            raise RuntimeError(f"the lab cannot be made: {result.stderr}")
        return self.folder / name
