"""The loss weights of a distillation, chosen by short runs on the user's own data, a control among them.

Distillation helps or hurts with its weights. A quarter of the steps tells which of a few settings to train in full; it
does not tell what the full run gains: for that there is `control`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from disdepth_cli.comparison.arm import train_arm
from disdepth_cli.comparison.control import arm_of, control_of
from disdepth_cli.config import DistillConfig
from disdepth_cli.config.training import MethodOptions
from disdepth_cli.errors import CheckpointError, ConfigError
from disdepth_cli.files import as_json, write_text
from disdepth_cli.machine.processes import from_main
from disdepth_cli.machine.sums import world
from disdepth_cli.observer import Observer, Unrepeated
from disdepth_cli.reading import read_json, reading
from disdepth_cli.results.training import DistillReport
from disdepth_cli.runs.contents import beside
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.training.data import TrainingData
from disdepth_cli.training.loop.task import Schedule

CONTROL = "control"
SETTINGS: dict[str, tuple[float, float]] = {
    "x1": (1.0, 1.0),
    "x0.3": (0.3, 0.3),
    "x3": (3.0, 3.0),
    "output-only": (1.0, 0.0),
    "feature-only": (0.0, 1.0),
}
"""What is tried after the control, by name: factors of the configured output_weight and feature_weight."""
SHARE = 4  # of the run's steps a setting gets one in so many
LEAST = 50  # steps, where the run itself has as many
METRICS = ("rmse", "abs_rel", "delta1")


def settings_of(method: MethodOptions) -> dict[str, tuple[float, float]]:
    """Name to (output_weight, feature_weight), each pair once.

    Raises:
        ConfigError: both weights are 0.
    """
    if not (method.output_weight or method.feature_weight):
        raise ConfigError("--sweep: tries multiples of --output-weight and --feature-weight, and both are 0")
    settings: dict[str, tuple[float, float]] = {}
    for name, (output, feature) in SETTINGS.items():
        weights = output * method.output_weight, feature * method.feature_weight
        if any(weights) and weights not in settings.values():
            settings[name] = weights
    return settings


def steps_of(sweep_steps: int | None, planned: int) -> int:
    """Steps of each short run, of a run that is planned for so many. sweep_steps: what was asked for.

    Raises:
        ConfigError: more were asked for than that.
    """
    if sweep_steps is not None and sweep_steps > planned:
        raise ConfigError(f"--sweep-steps {sweep_steps}: is more than the run's own {planned}")
    return sweep_steps or min(max(planned // SHARE, LEAST), planned)


def sweep(
    config: DistillConfig,
    data: TrainingData,
    run: RunFolder,
    acclimated: Callable[[], DistillConfig],
    observer: Observer,
) -> dict[str, Any]:
    """Train the control and every setting for a while in RUN-sweep/NAME, and choose the best setting by val RMSE.

    Same student, data, seed and views in all. acclimated: gives the configuration with its teachers acclimated, once
    for all settings. Returns
    {"steps", "chosen", "output_weight", "feature_weight", "beats_control", "settings": [a row each]}, kept in the run's
    sweep.json: a sweep that is there is not repeated. Where no setting beats the control the least harmful is chosen,
    with a warning: a short run is no proof, and the full run's own control will tell.

    Raises:
        ConfigError: nothing to try, or a folder holds something else.
        Interrupted: stopped by a signal; the state is saved.
    """
    known = from_main(partial(_read, run))
    if known is not None:
        return known
    per_epoch = data.batches_per_epoch(config.loop.batch_size, world())
    steps = steps_of(config.compare.sweep_steps, Schedule.plan(config.loop, per_epoch).total_steps)
    settings = settings_of(config.method)
    observer.on_note(f"sweep: {', '.join((CONTROL, *settings))}: {steps} steps each, into {beside(run.path, '-sweep')}")
    config = acclimated()
    quieter = Unrepeated(observer, validations=False)
    rows: list[dict[str, Any]] = []
    for name, weights in {CONTROL: (0.0, 0.0), **settings}.items():
        arm = _arm(config, run, name, weights, steps)
        report = train_arm(arm, data, run.path, quieter)
        rows.append(_row(name, weights, report, rows))
        observer.on_note(_line(rows[-1]))
    result = _chosen(rows, steps)
    from_main(lambda: write_text(run.path / "sweep.json", as_json(result, indent=2) + "\n"))
    return result


def with_chosen(config: DistillConfig, swept: dict[str, Any]) -> DistillConfig:
    """The configuration of the full run."""
    return config.replaced(**{name: swept[name] for name in ("output_weight", "feature_weight")})


def tell_choice(swept: dict[str, Any], observer: Observer) -> None:
    """Say what was chosen, how far it can be trusted, and whether any setting helped at all."""
    by_name = {row["setting"]: row for row in swept["settings"]}
    best, control = by_name[swept["chosen"]], by_name[CONTROL]
    both = f"rmse {_number(best['rmse'])} against the control's {_number(control['rmse'])}"
    against = f"{both} after {swept['steps']} steps"
    observer.on_note(f"sweep: the full run takes {swept['chosen']} ({against})")
    observer.on_warning(
        "the loss weights were chosen on the val images, which flatters this student's scores there; for an "
        "honest score evaluate it on other images"
    )
    if not swept["beats_control"]:
        observer.on_warning(
            f"no loss weights that were tried beat the control ({swept['chosen']}, the least harmful: {against}); "
            "see with --control how the full run ends beside its own; if it is no better, try another --teacher or "
            "unlabelled images of your own, or leave the teacher out (--no-distill)"
        )


def _arm(config: DistillConfig, run: RunFolder, name: str, weights: tuple[float, float], steps: int) -> DistillConfig:
    """The configuration of one short run."""
    target = beside(run.path, "-sweep") / name
    if name == CONTROL:
        return control_of(config, target).replaced(max_steps=steps)
    return arm_of(config, target).replaced(max_steps=steps, output_weight=weights[0], feature_weight=weights[1])


def _row(
    name: str, weights: tuple[float, float], report: DistillReport, before: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """A line of the table; difference: RMSE less the control's, the first row's; None where no score was finite."""
    scores = {metric: report.best.get(metric) for metric in METRICS}
    rmse = scores["rmse"]
    control = before[0]["rmse"] if before else rmse
    return {
        "setting": name,
        "output_weight": weights[0],
        "feature_weight": weights[1],
        **scores,
        "difference": None if rmse is None or control is None else rmse - control,
        "run": report.run,
    }


def _line(row: dict[str, Any]) -> str:
    scores = "  ".join(f"{metric} {_number(row[metric])}" for metric in METRICS)
    against = "" if row["setting"] == CONTROL else f"  rmse - control's {_number(row['difference'], '+')}"
    return f"sweep: {row['setting']:12}  {scores}{against}"


def _number(value: float | None, sign: str = "") -> str:
    return "none" if value is None else f"{value:{sign}.4f}"


def _chosen(rows: Sequence[dict[str, Any]], steps: int) -> dict[str, Any]:
    """The table and what follows from it."""
    errors = [math.inf if row["rmse"] is None else row["rmse"] for row in rows]
    index = min(range(1, len(rows)), key=errors.__getitem__)  # the first is the control
    return {
        "steps": steps,
        "chosen": rows[index]["setting"],
        "output_weight": rows[index]["output_weight"],
        "feature_weight": rows[index]["feature_weight"],
        "beats_control": errors[index] < errors[0],
        "settings": list(rows),
    }


def _read(run: RunFolder) -> dict[str, Any] | None:
    """The sweep that a run has made already.

    Raises:
        CheckpointError: it cannot be read.
    """
    file = run.path / "sweep.json"
    if not file.exists():
        return None
    with reading(file, "cannot be read", CheckpointError, "remove it to sweep again"):
        return dict(read_json(file, CheckpointError))
