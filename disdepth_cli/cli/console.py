"""The terminal: a command run from its options to its printed result; results on stdout, all else on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from disdepth_cli.cli.missing import refuse_missing
from disdepth_cli.cli.progress import Terminal, TerminalObserver
from disdepth_cli.config import BaseConfig, TrainingConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.config.types import METRICS
from disdepth_cli.errors import ConfigError, Interrupted
from disdepth_cli.files import as_json
from disdepth_cli.machine.launch import launched
from disdepth_cli.machine.signals import interruptible

RELATIVE = ("disparity_error",)  # what a relative student is measured by where nothing is in metres

LOADS_TORCH = ("acclimate", "distill", "evaluate", "export", "benchmark", "convert-teacher")

stdout = Terminal(highlight=False)


def run_verb(
    engine: Callable[[], Callable[..., Any]],
    kind: type[BaseConfig],
    options: dict[str, Any],
    show: Callable[[dict[str, Any]], None],
    own: dict[str, Any],
) -> dict[str, Any]:
    """Build the config, call the engine, print its result and return it.

    own: what is the console's: `config` (a YAML file), `sets`, `quiet` and `as_json`. A resumed run takes its options
    from its folder, so `--resume -o RUN` is enough.
    """
    if launched()[1] > 1 and not kind.takes_processes:
        raise ConfigError(
            f"{launched()[1]} processes were launched; {kind.verb()} takes one: start it without a launcher"
        )
    file = own["config"]
    if file is None and options.get("resume") and options.get("output"):
        started = os.path.join(os.path.expanduser(options["output"]), "config.yaml")
        file = Path(started) if os.path.isfile(started) else None
        if file is None and issubclass(kind, TrainingConfig):  # else what it was begun with would be said to be missing
            raise ConfigError(f"{options['output']}: holds no run (no config.yaml); start one without --resume")
    config = build_config(kind, options, file, own["sets"])
    if own["as_json"] and "output" in kind.options() and str(config.get("output")) == "-":
        raise ConfigError("--output -: the PNG goes to stdout, where --json writes its object; leave one of them out")
    if "offline" in kind.options() and config.get("offline"):
        os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's client reads it when the engine is imported, below
    if own["quiet"] or own["as_json"]:
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # read then, too
    refuse_missing(config)
    watcher = TerminalObserver(own["quiet"] or own["as_json"])
    with watcher.starting("loading torch ..." if kind.verb() in LOADS_TORCH else "loading ..."):
        call = engine()
    try:
        with interruptible():
            result = call(config, watcher).as_dict()
    except KeyboardInterrupt:
        resumes = "resume" in kind.options()
        how = "; if its folder holds a state, --resume goes on from it" if resumes else ""
        raise Interrupted(f"stopped at once{how}") from None
    finally:
        watcher.close()
    if own["as_json"]:
        sys.stdout.write(as_json(result) + "\n")
    else:
        show(result)
    return result


def metrics_table(columns: dict[str, dict[str, Any]]) -> Table:
    """One column per model, one row per metric: fits a terminal of 80 columns."""
    table = Table("")
    for label in columns:
        table.add_column(escape(label), justify="right")
    for name in (*METRICS, *RELATIVE):
        if not any(name in metrics for metrics in columns.values()):
            continue
        table.add_row(name, *(f"{metrics[name]:.4f}" if name in metrics else "" for metrics in columns.values()))
    return table


def cost_words(name: str, value: float) -> str:
    """`parameters` in millions, `flops` in billions."""
    return f"{value / 1e6:.2f} M" if name == "parameters" else f"{value / 1e9:.2f} G"


def protocol_line(protocol: dict[str, Any]) -> str:
    """A protocol in one line, as it is printed with every result."""
    if protocol["name"] == "teacher-disparity":
        return "protocol teacher-disparity: relative disparity after scale and shift, every pixel, no unit"
    return (
        f"protocol {protocol['name']}: {protocol['min_depth']:g} m < gt < {protocol['max_depth']:g} m, crop "
        f"{protocol['crop']}, align {protocol['align']} ({protocol['space']}), tta {'on' if protocol['tta'] else 'off'}"
    )
