"""The teacher of an acclimated run, as it was trained along (`--train-teacher`), in a folder in Hub format.

    python benchmarks/trained_teacher.py RUN FOLDER

FOLDER is then a teacher like any other: one that learned more of a place, for any student. It says of itself that it
wants images of the size it was trained at.
"""

from __future__ import annotations

import json
from pathlib import Path

import typer
from transformers import AutoImageProcessor, PreTrainedModel

from disdepth_cli.runs.contents import RunContents
from disdepth_cli.scoring.acclimated_run import load_acclimated


def main(run: Path, folder: Path) -> None:
    """Write config.json, model.safetensors and preprocessor_config.json."""
    acclimated, metadata = load_acclimated(run, "fp32", offline=True)
    model = getattr(acclimated.teacher.network, "model", None)
    if metadata.teacher is None or metadata.teacher.trained == "frozen" or not isinstance(model, PreTrainedModel):
        raise typer.BadParameter(f"{run}: its teacher is not one of transformers' that was trained along")
    model.save_pretrained(folder)
    config = RunContents(run).config()
    processor = AutoImageProcessor.from_pretrained(config["teacher"], revision=config.get("revision"))
    processor.size = {side: metadata.working_size[side] for side in ("height", "width")}
    processor.save_pretrained(folder)
    print(json.dumps({"teacher": str(folder), "from": metadata.teacher.id, "trained": metadata.teacher.trained}))


if __name__ == "__main__":
    typer.run(main)
