"""A run folder: resolved configuration, metrics.csv, report.json, resume state, weights, plots."""

from __future__ import annotations

import hashlib
import json
import socket
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
import yaml
from torch import Tensor

from disdepth_cli.config import STUDENTS, TrainingConfig
from disdepth_cli.errors import CheckpointError, ConfigError, TrainingError
from disdepth_cli.files import as_json, disk_errors, is_unfinished, remove_unfinished, write_atomic, write_text
from disdepth_cli.machine.processes import agreed, from_main, gather, is_main
from disdepth_cli.machine.sums import world
from disdepth_cli.reading import read_bytes, read_json, read_yaml, reading

STATE_KEY = "disdepth-state"
PATIENCE = 5.0  # seconds that a file on a shared disk may take to be seen from another machine

DIGEST_KEY = "disdepth-digest"
ENTRIES = "entries.json"  # beside the states: what the data held when the run began


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
    def open(
        cls, config: TrainingConfig, verb: str, subject: str, entries: Mapping[str, Any] | None = None
    ) -> RunFolder:
        """Make the run folder of a configuration, or open it again with `resume`; writes config.yaml.

        entries: of its data, see `check_entries`; None: it is not trained on.

        Raises:
            ConfigError: the folder holds another run, or `resume` finds none, or other options or data.
        """
        if config.run.resume and config.run.output is None:
            raise ConfigError("--resume: name the run folder to go on with, -o RUN")
        run = cls(from_main(lambda: cls._open(config, verb, subject, entries)))
        run._check_seen_by_all()
        return run

    @classmethod
    def _open(cls, config: TrainingConfig, verb: str, subject: str, entries: Mapping[str, Any] | None) -> Path:
        """`open` in the process that writes; the others learn the path."""
        run = cls(config.run.output or _next_folder(Path("runs"), f"{verb}-{_slug(subject)}"))
        for folder in (run.path, run.state_file.parent):
            remove_unfinished(folder)
        if config.run.resume:
            run.check_same(config, verb)
        else:
            run.check_free()
        with disk_errors(run.path):
            (run.path / "last").mkdir(parents=True, exist_ok=True)
        if entries is not None:
            run.check_entries(entries)
        write_text(run.path / "config.yaml", yaml.safe_dump({"verb": verb, **_plain(config)}, sort_keys=False))
        return run.path

    def _check_seen_by_all(self) -> None:
        """Every process finds what the main one has just written: all of them read the run's weights and states.

        Raises:
            ConfigError: one does not: it runs on another machine, or in another folder.
        """
        if world() == 1:
            return
        sign = from_main(self._leave_sign)
        seen = gather((is_seen(self.path / sign), socket.gethostname()))
        if is_main():
            (self.path / sign).unlink(missing_ok=True)
        blind = [(place, host) for place, (saw, host) in enumerate(seen) if not saw]
        if blind:
            raise agreed(
                ConfigError(
                    f"-o {self.path}: process {blind[0][0]} on {blind[0][1]} does not see this folder; several "
                    "machines need the run on a disk that all of them share: give its absolute path"
                )
            )

    def _leave_sign(self) -> str:
        """A new empty file in the folder; its name."""
        name = f".{uuid.uuid4().hex[:8]}.tmp"
        with disk_errors(self.path):
            (self.path / name).touch()
        return name

    @property
    def began(self) -> bool:
        """Whether a state was saved: before its first step a run has none."""
        states = self.state_file.parent
        return states.is_dir() and any(file.name != ENTRIES for file in states.iterdir())

    def check_free(self, advice: str = "add --resume to go on, or name another -o") -> None:
        """Nothing is there, or only what a run leaves that failed before its first step.

        Raises:
            ConfigError: the place is a file, or holds something.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise ConfigError(f"-o {self.path}: is a file; name a folder for the run")
        held = {file.name for file in self.path.iterdir() if not is_unfinished(file)}
        if self.began or held - {"config.yaml", self.state_file.parent.name}:
            raise ConfigError(f"{self.path}: already holds something; {advice}")

    def check_same(self, config: TrainingConfig, verb: str, advice: str = "resume with the same options") -> None:
        """The run was started by this verb with the same options, those aside that are free to change.

        Raises:
            ConfigError: it was not, or there is no run.
        """
        before = read_config(self.path)
        if before.get("verb") != verb:
            raise ConfigError(f"{self.path}: is a run of {before.get('verb')}, not of {verb}")
        now, free = _plain(config), type(config).named(free=True)
        for name in now:
            if name not in free and name in before and not _same(before[name], now[name]):
                raise ConfigError(
                    f"--{name.replace('_', '-')}: the run in {self.path} was started with {before[name]!r}, "
                    f"not {now[name]!r}; {advice}"
                )

    def check_entries(self, entries: Mapping[str, Any]) -> None:
        """The run's data is what it began with, wherever it lies by now; what it begins with is kept.

        entries: {"train": {"images", "digest"}, "val": {...}, "depth": what stored depth means}.

        Raises:
            ConfigError: it is not; the message says how many images there were and are.
        """
        file = self.state_file.parent / ENTRIES
        if not self.began or not file.is_file():
            write_text(file, json.dumps(entries, indent=2) + "\n")
            return
        before = read_json(file, ConfigError)
        advice = "give the data that the run began with, --data PLACE, or start a new run"
        for split, name in (("train", "training"), ("val", "val")):
            then, now = before.get(split), entries[split]
            if then is None or then == now:
                continue
            counts = f"began with {then.get('images')} {name} images, now there are {now['images']}"
            if then.get("images") == now["images"]:
                counts = f"has {now['images']} {name} images as it began with, but not the same ones in the same order"
            raise ConfigError(f"{self.path}: {counts}; {advice}")
        if before.get("depth") != entries["depth"]:
            raise ConfigError(
                f"{self.path}: began with depth [m] = {before.get('depth')}, now it is {entries['depth']}; {advice}"
            )

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Write report.json."""
        write_text(self.report_file, as_json(report, indent=2) + "\n")

    def save_state(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Write everything needed to resume: tensors, with the JSON state in the header of the same file.

        One file moved into place: tensors and state can never be of different steps. `last/state.json` repeats the
        state for people.
        """
        text = json.dumps(state, sort_keys=True)
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        content = safetensors.torch.save(whole, {STATE_KEY: text, DIGEST_KEY: _digest(text, whole)})

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
        with reading(self.state_file, "the resume state is damaged", TrainingError, "start again"):
            with safetensors.safe_open(self.state_file, "pt") as handle:
                header = handle.metadata() or {}
                tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
            text = header[STATE_KEY]
            if len(header) > 1 and header.get(DIGEST_KEY) != _digest(
                text, tensors
            ):  # an older run's has the text alone
                raise ValueError("its digest is another")
            return tensors, json.loads(text)


def is_seen(file: Path) -> bool:
    """Whether a file is there, or comes before long: a network disk may be late."""
    until = time.monotonic() + PATIENCE
    while not file.exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def read_config(run: Path) -> dict[str, Any]:
    """The resolved options a run was started with.

    Raises:
        ConfigError: there is no run in that folder.
    """
    file = run / "config.yaml"
    if not file.exists():
        raise ConfigError(f"{run}: holds no run (no config.yaml); start one without --resume")
    values = read_yaml(file, ConfigError)
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: must be a mapping of options")
    return values


def read_report(run: Path) -> dict[str, Any]:
    """The report of a run; empty where there is none yet.

    Raises:
        CheckpointError: it cannot be read.
    """
    file = run / "report.json"
    if not file.exists():
        return {}
    with reading(file, "is damaged", CheckpointError, "make it again with --resume"):
        return dict(json.loads(read_bytes(file, CheckpointError)))


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


def _plain(config: TrainingConfig) -> dict[str, Any]:
    """The options as plain values; where a run lies, and that it was resumed, are not options of it."""
    return config.flat("output", "resume")


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """Of a state's words, and its tensors' names, types, shapes and numbers."""
    digest = hashlib.blake2b(text.encode(), digest_size=20)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


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
