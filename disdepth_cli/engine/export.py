"""Export: a student as a file for another runtime, checked against predict, with what a program must know beside it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from disdepth_cli.checkpoint.locate import student_file
from disdepth_cli.config import ExportConfig
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import ConfigError, ExportError
from disdepth_cli.exporting.calibration import our_sample, read_samples
from disdepth_cli.exporting.check import check_export
from disdepth_cli.exporting.format_table import FORMATS, check_possible, require_tools
from disdepth_cli.exporting.metadata import Wanted, sha256_of
from disdepth_cli.exporting.run_script import write_program
from disdepth_cli.exporting.write import describe_student, write_student
from disdepth_cli.files import disk_errors, write_text
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.results.export import ExportResult
from disdepth_cli.scoring.exported_accuracy import accuracy_change
from disdepth_cli.scoring.open_model import open_student

NO_RESIZING = (
    "--dynamic all: bring images to the model's size as its metadata say; whole 480x640 images without resizing made "
    "the bundled student's RMSE 1.52 instead of 0.69"
)

SLOW_HALVES = (
    "--format torch --precision fp16: for GPUs; PyTorch's fp16 convolutions are slow on a CPU: the bundled student "
    "took 25 times the time of fp32 there"
)


def export(config: ExportConfig, observer: Observer = SILENT) -> ExportResult:
    """Write a student for another runtime, with `export.json` and a `run.py` that needs that runtime alone.

    Raises:
        DisdepthError: no such student, a tool that is missing, or a file that does not give predict's depth: then
            nothing is written.
    """
    check_possible(config.format, config.precision, config.input, config.dynamic)
    if config.precision == "int8" and config.calibration is None:
        raise ConfigError("--precision int8: give --calibration DATA, images of the kind that the student will see")
    runtime = require_tools(config.format, config.precision, config.offline, observer)
    job = _Export(config, observer, runtime)
    if config.dynamic == "all":
        job.warn(NO_RESIZING)
    if config.format == "torch" and config.precision == "fp16":
        job.warn(SLOW_HALVES)
    return job.run()


class _Export:
    """The story of one export."""

    def __init__(self, config: ExportConfig, observer: Observer, runtime: Path | None) -> None:
        """runtime: of a page, see `require_tools`."""
        self.config, self.observer, self.runtime = config, observer, runtime
        self.warnings: list[str] = []
        self.predictor = open_student(config.model, "cpu", "fp32", config.revision, config.offline)
        self.source = load_source(config.calibration) if config.calibration else None
        self.samples = read_samples(self.source) if self.source else our_sample()
        file = student_file(config.model, config.revision, config.offline)
        early = config.keep_float == "early"
        kind = FORMATS[config.format]
        wanted = Wanted(
            kind.file or config.format, config.precision, config.source, config.input, config.dynamic, early
        )
        self.about = describe_student(file, wanted, self.predictor.parameters, self.samples)
        self.name = f"{self.about.stem()}{kind.suffix}"
        self.folder = config.output or Path("exports") / f"{self.about.stem()}-{config.format}"

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        self.observer.on_warning(message)

    def _note(self, message: str) -> None:
        self.observer.on_note(message)

    def run(self) -> ExportResult:
        """Write beside the place, check, then move there."""
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=self.folder, prefix=".writing-") as temporary:
                made = Path(temporary) / self.name
                self._note(f"writing {self.name}")
                write_student(self.predictor.model, self.about, made, self.samples)
                check, accuracy = self._check(made)
                path = self.folder / self.name
                _move(made, path)
        result = ExportResult(
            model=self.config.model,
            file=str(path),
            folder=str(self.folder),
            bytes=sum(_bytes(file) for file in _files(path)),
            sha256={file.relative_to(self.folder).as_posix(): sha256_of(file) for file in _files(path)},
            check=check,
            accuracy=accuracy,
            warnings=self.warnings,
            metadata=self.about.model_dump(mode="json"),
        )
        self._write_beside(result)
        return result

    def _check(self, made: Path) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """What was found, and the accuracy of int8 beside the student's where there is ground truth.

        Raises:
            ExportError: the file does not give predict's depth.
        """
        if not self.config.check:
            return {"state": "unchecked", "reason": "--no-check was given"}, None
        self._note("comparing its depth with predict's")
        found, exported = check_export(made, self.about, self.predictor, self.samples.check)
        if exported is None or self.config.precision != "int8" or self.source is None:
            return found, None
        accuracy = accuracy_change(self.predictor, exported, self.source, self.about.source)
        if accuracy is not None:
            self._judge(accuracy["rmse_change"])
        return found, accuracy

    def _judge(self, change: float) -> None:
        """change: of the RMSE on val, relative."""
        more = "more of it stays float with --keep-float early; or give calibration images that are more alike"
        if change > WORST:
            raise ExportError(
                f"--precision int8: RMSE on val grows by {change:.1%}, more than {WORST:.0%}: nothing was written; "
                f"{more} (--no-check writes it all the same)"
            )
        if change > NOTABLE:
            self.warn(f"int8 costs {change:.1%} of RMSE on val; {more}")

    def _write_beside(self, result: ExportResult) -> None:
        """export.json, and run.py or the page. No absolute places and no times."""
        about: dict[str, Any] = {"file": self.name, "sha256": result.sha256, "check": result.check}
        about |= {"accuracy": result.accuracy, **result.metadata}
        write_text(self.folder / "export.json", json.dumps(about, indent=2) + "\n")
        write_program(self.folder, self.about, self.name, self.runtime)


NOTABLE, WORST = 0.01, 0.03  # growth of RMSE by int8 that is said, and that is refused


def _move(made: Path, path: Path) -> None:
    """Put a finished file or folder in its place; what was there goes."""
    if path.is_dir():
        shutil.rmtree(path)
    os.replace(made, path)


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _bytes(file: Path) -> int:
    return file.stat().st_size
