"""A run folder: resolved configuration, metrics.csv, report.json, resume state, weights, plots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import yaml
from pydantic import BaseModel
from torch import Tensor

from disdepth_cli.config import STUDENTS
from disdepth_cli.errors import CheckpointError, ConfigError, TrainingError
from disdepth_cli.files import disk_errors, write_atomic, write_text
from disdepth_cli.machine.processes import from_main

STATE_KEY = "disdepth-state"
FREE_TO_CHANGE = {"output", "resume", "offline", "device", "workers", "save_every", "dry_run", "max_corrupt"}
FREE_TO_CHANGE |= {"push_to_hub", "private", "licence", "control", "keep", "budget"}
"""Options that may differ when a run is resumed: they do not change its result."""


class RunFolder:
    """`config.yaml metrics.csv report.json last/ student.safetensors | acclimated.safetensors`."""

    def __init__(self, path: Path, phase: str | None = None) -> None:
        """phase: a second optimisation in the same folder has a state and a metrics table of its own."""
        self.path = path
        self.state_file = path / "last" / f"{phase or 'state'}.safetensors"
        self.metrics_file = path / f"{phase or 'metrics'}.csv"
        self.report_file = path / "report.json"

    def phase(self, name: str) -> RunFolder:
        """The same folder for a further optimisation."""
        return RunFolder(self.path, name)

    @classmethod
    def open(cls, config: Any, verb: str, subject: str) -> RunFolder:
        """Make the run folder of a configuration, or open it again with `resume`; writes config.yaml.

        Raises:
            ConfigError: the folder holds another run, or `resume` finds none, or other options.
        """
        if config.resume and config.output is None:
            raise ConfigError("--resume: name the run folder to go on with, -o RUN")
        return cls(from_main(lambda: cls._open(config, verb, subject)))

    @classmethod
    def _open(cls, config: Any, verb: str, subject: str) -> Path:
        """`open` in the process that writes; the others learn the path."""
        run = cls(config.output or _next_folder(Path("runs"), f"{verb}-{_slug(subject)}"))
        if config.resume:
            run.check_same(config, verb)
        else:
            run.check_free()
        with disk_errors(run.path):
            (run.path / "last").mkdir(parents=True, exist_ok=True)
        write_text(run.path / "config.yaml", yaml.safe_dump({"verb": verb, **_plain(config)}, sort_keys=False))
        return run.path

    def check_free(self, advice: str = "add --resume to go on, or name another -o") -> None:
        """Nothing is there, or only what a run leaves that failed before its first step.

        Raises:
            ConfigError: the place is a file, or holds something.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise ConfigError(f"-o {self.path}: is a file; name a folder for the run")
        states = self.state_file.parent
        began = states.is_dir() and any(states.iterdir())
        if began or {file.name for file in self.path.iterdir()} - {"config.yaml", states.name}:
            raise ConfigError(f"{self.path}: already holds something; {advice}")

    def check_same(self, config: BaseModel, verb: str, advice: str = "resume with the same options") -> None:
        """The run was started by this verb with the same options, those aside that are free to change.

        Raises:
            ConfigError: it was not, or there is no run.
        """
        before = read_config(self.path)
        if before.get("verb") != verb:
            raise ConfigError(f"{self.path}: is a run of {before.get('verb')}, not of {verb}")
        now = _plain(config)
        for name in now:
            if name not in FREE_TO_CHANGE and name in before and not _same(before[name], now[name]):
                raise ConfigError(
                    f"--{name.replace('_', '-')}: the run in {self.path} was started with {before[name]!r}, "
                    f"not {now[name]!r}; {advice}"
                )

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Write report.json."""
        write_text(self.report_file, json.dumps(report, indent=2) + "\n")

    def save_state(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Write everything needed to resume: tensors, with the JSON state in the header of the same file.

        One file moved into place: tensors and state can never be of different steps. `last/state.json` repeats the
        state for people.
        """
        text = json.dumps(state, sort_keys=True)
        content = safetensors.torch.save(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, {STATE_KEY: text}
        )

        def write(temporary: Path) -> None:
            temporary.write_bytes(content)

        write_atomic(self.state_file, write)
        write_text(self.state_file.with_suffix(".json"), text + "\n")

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The saved state, or None when the run was stopped before its first save.

        Raises:
            TrainingError: the file is damaged.
        """
        if not self.state_file.is_file():
            return None
        try:
            with safetensors.safe_open(self.state_file, "pt") as handle:
                state = json.loads((handle.metadata() or {})[STATE_KEY])
                return {name: handle.get_tensor(name) for name in handle.keys()}, state  # noqa: SIM118
        except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
            raise TrainingError(f"{self.state_file}: the resume state is damaged ({error}); start again") from None


def read_config(run: Path) -> dict[str, Any]:
    """The resolved options a run was started with.

    Raises:
        ConfigError: there is no run in that folder.
    """
    file = run / "config.yaml"
    try:
        return dict(yaml.safe_load(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigError(f"{run}: holds no run (no config.yaml); start one without --resume") from None
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: cannot be read ({error})") from None


def read_report(run: Path) -> dict[str, Any]:
    """The report of a run; empty where there is none yet.

    Raises:
        CheckpointError: it cannot be read.
    """
    file = run / "report.json"
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{file}: cannot be read ({error}); make it again with --resume") from None


def beside(run: Path, ending: str) -> Path:
    """The folder beside a run's that has its name and the ending."""
    run = run if run.name not in ("", "..") else run.resolve()
    return run.with_name(run.name + ending)


def latest_acclimation(root: Path, student: str) -> Path | None:
    """The newest finished acclimation under `root` that was made for the same student."""
    found = sorted(root.glob("*/acclimated.safetensors"), key=lambda file: file.stat().st_mtime)
    for file in reversed(found):
        try:
            config = read_config(file.parent)
        except ConfigError:
            continue
        finished = (file.parent / "report.json").is_file()
        theirs = str(config.get("student"))
        if finished and STUDENTS.get(theirs, theirs) == STUDENTS.get(student, student):
            return file.parent
    return None


def _plain(config: BaseModel) -> dict[str, Any]:
    """The options as plain values; where a run lies, and that it was resumed, are not options of it."""
    return json.loads(config.model_dump_json(exclude={"output", "resume"}))


def _same(before: Any, now: Any) -> bool:
    """Whether an option is what it was; of a group, those that the run's version had."""
    if isinstance(before, dict) and isinstance(now, dict):
        return all(name in now and value == now[name] for name, value in before.items())
    return bool(before == now)


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in Path(name).name) or "run"


def _next_folder(root: Path, stem: str) -> Path:
    number = 1
    while (root / f"{stem}-{number}").exists():
        number += 1
    return root / f"{stem}-{number}"
