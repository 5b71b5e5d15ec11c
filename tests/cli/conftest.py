"""The command line in this process: starting Python anew for every command would take minutes."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from disdepth_cli.cli.app import main


@dataclass(frozen=True)
class Outcome:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object that stdout must be."""
        return json.loads(self.out)


@pytest.fixture
def cli(monkeypatch, capsys):
    """`cli(*args)` -> Outcome of `disdepth *args`."""

    def run(*args: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["disdepth", *map(str, args)])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return Outcome(int(stopped.value.code or 0), out, err)

    return run


@pytest.fixture
def refused(cli):
    """`refused(code, words, *args)`: the command ends with that code and one line on stderr that has all the words."""

    def run(code: int, words: tuple[object, ...], *args: object) -> str:
        outcome = cli(*args)
        errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
        assert outcome.code == code, outcome
        assert errors == outcome.err.splitlines()[-1:] and len(errors) == 1, outcome.err
        assert "Traceback" not in outcome.err
        for word in words:
            assert str(word) in errors[0], errors[0]
        return errors[0]

    return run


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Keywords of the engine's training functions for a run of about a second."""
    return {
        "input_size": "64x96",
        "batch_size": 4,
        "workers": 0,
        "device": "cpu",
        "pretrained": False,
        "max_steps": 2,
        "offline": True,
    }


@pytest.fixture(scope="session")
def short() -> tuple[str, ...]:
    """The same as options of the command line; acclimate takes all but the last."""
    run = ("--input-size", "64x96", "--batch-size", "4", "--workers", "0", "--device", "cpu", "--max-steps", "2")
    return (*run, "--offline", "--no-pretrained")


@pytest.fixture(scope="session")
def control(rooms, tiny, tmp_path_factory) -> Path:
    """The run folder of a student that was trained without a teacher."""
    from disdepth_cli import distill

    run = tmp_path_factory.mktemp("students") / "control"
    distill(data=rooms, output=run, distill=False, **tiny)
    return run


@pytest.fixture(scope="session")
def student(control) -> Path:
    """A student checkpoint."""
    return control / "student.safetensors"


@pytest.fixture
def own_rooms(rooms, tmp_path) -> Path:
    """A copy of the rooms that a test may spoil."""
    return Path(shutil.copytree(rooms.parent, tmp_path / "rooms")) / "data.yaml"


@pytest.fixture(scope="session")
def photo(rooms) -> Path:
    """One image."""
    return sorted((rooms.parent / "rgb").iterdir())[0]
