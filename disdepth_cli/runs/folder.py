"""A run folder: resolved configuration, metrics.csv, report.json, resume state, weights, plots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from disdepth_cli.config import TrainingConfig
from disdepth_cli.errors import ConfigError
from disdepth_cli.files import as_json, disk_errors, is_unfinished, remove_unfinished, write_text
from disdepth_cli.machine.failures import ERRORS, remove_errors, write_errors_to
from disdepth_cli.machine.processes import from_main
from disdepth_cli.reading import read_json
from disdepth_cli.runs.contents import CONFIG, REPORT, RunContents
from disdepth_cli.runs.shared_disk import check_seen_by_all
from disdepth_cli.runs.state_file import StateFile

PAGE, PAGE_DATA = "report.html", "page.json"  # the second one beside the states: pictures that only the page shows
LENGTH = ("epochs", "max_steps")  # options that may grow when a finished run is resumed
OF_ONE_LENGTH = ("sweep", "attention_steps", "control")  # what else such a run trains, or is compared with
ENTRIES = "entries.json"  # beside the states: what the data held when the run began


class RunFolder:
    """`config.yaml metrics.csv report.json last/ student.safetensors | acclimated.safetensors`."""

    def __init__(self, path: Path, phase: str | None = None) -> None:
        """phase: a second optimisation in the same folder has a state and a metrics table of its own."""
        self.path = path
        self.state = StateFile(path / "last" / f"{phase or 'state'}.safetensors")
        self.metrics_file = path / f"{phase or 'metrics'}.csv"
        self.report_file = path / REPORT
        self.entries_file = self.state.file.parent / ENTRIES
        self.page_file, self.page_data_file = path / PAGE, self.state.file.parent / PAGE_DATA

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
        check_seen_by_all(run.path)
        write_errors_to(run.path)
        return run

    @classmethod
    def _open(cls, config: TrainingConfig, verb: str, subject: str, entries: Mapping[str, Any] | None) -> Path:
        """`open` in the process that writes; the others learn the path."""
        run = cls(config.run.output or _next_folder(Path("runs"), f"{verb}-{_slug(subject)}"))
        for folder in (run.path, run.state.file.parent):
            remove_unfinished(folder)
        longer = config.run.resume and run.check_same(config, verb)
        if not config.run.resume:
            run.check_free()
        remove_errors(run.path)
        with disk_errors(run.path):
            (run.path / "last").mkdir(parents=True, exist_ok=True)
        if entries is not None:
            run.check_entries(entries)
        if longer:
            run.report_file.unlink(missing_ok=True)  # it is not finished any more
        write_text(run.path / CONFIG, yaml.safe_dump({"verb": verb, **_plain(config)}, sort_keys=False))
        return run.path

    @property
    def began(self) -> bool:
        """Whether a state was saved: before its first step a run has none."""
        states = self.state.file.parent
        return states.is_dir() and any(file.name != ENTRIES and not is_unfinished(file) for file in states.iterdir())

    def check_free(self, advice: str = "add --resume to go on, or name another -o") -> None:
        """Nothing is there, or only what a run leaves that failed before its first step.

        Raises:
            ConfigError: the folder is a file, or holds something.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise ConfigError(f"-o {self.path}: is a file; name a folder for the run")
        held = {file.name for file in self.path.iterdir() if not is_unfinished(file)}
        if self.began or held - {CONFIG, self.state.file.parent.name, ERRORS}:
            raise ConfigError(f"{self.path}: already holds something; {advice}")

    def check_same(self, config: TrainingConfig, verb: str, advice: str = "resume with the same options") -> bool:
        """The run was started by this verb with the same options, those aside that are free to change.

        True: it is finished, and is to have more steps now.

        Raises:
            ConfigError: it was not, or there is no run.
        """
        before = RunContents(self.path).config()
        if before.get("verb") != verb:
            raise ConfigError(f"{self.path}: is a run of {before.get('verb')}, not of {verb}")
        now, free, longer = _plain(config), type(config).named(free=True), False
        for name in now:
            if name not in free and name in before and not _same(before[name], now[name]):
                if name in LENGTH and self._lengthens(name, before, now):
                    longer = True
                    continue
                raise ConfigError(
                    f"--{name.replace('_', '-')}: the run in {self.path} was started with {before[name]!r}, "
                    f"not {now[name]!r}; {advice}"
                )
        return longer

    def _lengthens(self, name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """Whether more steps are asked of a finished run.

        Raises:
            ConfigError: they are, but the run is not finished, or parts of it have a length of their own.
        """
        if None in (before[name], now[name]) or now[name] < before[name]:
            return False
        flag = f"--{name.replace('_', '-')} {now[name]}"
        if name == "epochs" and now["max_steps"] is not None:
            raise ConfigError(f"{flag}: the run in {self.path} counts in steps; give --max-steps")
        for part in OF_ONE_LENGTH:
            if now.get(part) or before.get(part):
                part = part.replace("_", "-")
                raise ConfigError(f"{flag}: a run with --{part} cannot be made longer; start another one")
        if not RunContents(self.path).is_finished:
            again = f"disdepth {before.get('verb')} --resume -o {self.path}"
            raise ConfigError(f"{flag}: the run in {self.path} is not finished; first let it end: {again}")
        return True

    def check_entries(self, entries: Mapping[str, Any]) -> None:
        """The run's data is what it began with, wherever it lies by now; what it begins with is kept.

        entries: {"train": {"images", "digest"}, "val": {...}, "depth": what stored depth means}.

        Raises:
            ConfigError: it is not; the message says how many images there were and are.
        """
        file = self.entries_file
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


def _plain(config: TrainingConfig) -> dict[str, Any]:
    """The options as plain values; where a run lies, and that it was resumed, are not options of it."""
    return config.flat("output", "resume")


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
