"""The resume state of a run as one safetensors file, with a digest that tells a flipped bit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from disdepth_cli.checkpoint.digest import digest_of
from disdepth_cli.errors import TrainingError
from disdepth_cli.files import write_atomic, write_text
from disdepth_cli.reading import reading

STATE_KEY, DIGEST_KEY = "disdepth-state", "disdepth-digest"


@dataclass(frozen=True)
class StateFile:
    """Tensors, with the JSON state in the header of the same file."""

    file: Path

    def save(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Write everything needed to resume.

        One file moved into place: tensors and state can never be of different steps. A `.json` beside it repeats the
        state for people.
        """
        text = json.dumps(state, sort_keys=True)
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        content = safetensors.torch.save(whole, {STATE_KEY: text, DIGEST_KEY: digest_of(text, whole)})
        write_atomic(self.file, lambda temporary: temporary.write_bytes(content))
        write_text(self.file.with_suffix(".json"), text + "\n")

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The saved state, or None when the run was stopped before its first save.

        Raises:
            TrainingError: the file is damaged.
        """
        if not self.file.is_file():
            return None
        with reading(self.file, "the resume state is damaged", TrainingError, "start again"):
            with safetensors.safe_open(self.file, "pt") as handle:
                header = handle.metadata() or {}
                tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
            text = header[STATE_KEY]
            has_digest = len(header) > 1  # an older run's header has the state alone
            if has_digest and header.get(DIGEST_KEY) != digest_of(text, tensors):
                raise ValueError("its digest is another")
            return tensors, json.loads(text)
