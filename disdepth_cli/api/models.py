"""evaluate, predict, export, benchmark and push in Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from disdepth_cli.api.options import config_of
from disdepth_cli.config import BenchmarkConfig, EvaluateConfig, ExportConfig, PredictConfig, PushConfig
from disdepth_cli.errors import ConfigError
from disdepth_cli.observer import Observer, Observers
from disdepth_cli.results.export import BenchmarkResult, ExportResult
from disdepth_cli.results.models import EvaluateResult, PushResult

if TYPE_CHECKING:
    from disdepth_cli.outputs.predictions import PredictResult

OF_FILES = ("save", "save_numpy", "range", "colormap", "grayscale", "pred_only")
"""Options that mean nothing where no file is written."""


def evaluate(
    model: str | Path | None = None,
    data: str | Path | None = None,
    *,
    config: EvaluateConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> EvaluateResult:
    """Score a model under a named protocol, beside what it has to beat.

    Args:
        model: a student (file, run folder, `bundled`, OWNER/NAME on the Hub), an acclimated run, or a teacher.
        data: a data.yaml, a folder with `rgb/` (or `images/`) and `depth/`, or shards.
        config: all options at once, in place of the others.
        observers: are told of the progress and of the warnings.
        **options: the other fields of `EvaluateConfig`, such as `protocol`, `align` and `device`.

    Returns:
        The scores; `rmse`, `delta1` and the others are attributes.

    Raises:
        DisdepthError: an unknown option, no such model or data, or not one image could be scored.

    Example:
        >>> from disdepth_cli import evaluate
        >>> result = evaluate("bundled", "data.yaml", baselines=False)
        >>> result.images, result.protocol["name"], 0 < result.rmse < 10
        (3, 'plain', True)
    """
    from disdepth_cli.engine.evaluate import evaluate as run

    return run(config_of(EvaluateConfig, config, {"model": model, "data": data, **options}), Observers(observers))


def predict(
    sources: str | Path | Sequence[str | Path] | None = None,
    *,
    model: str | Path | None = None,
    output: str | Path | None = None,
    config: PredictConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> PredictResult:
    """Predict the depth of images; with `output` also write it into files.

    The files are `<stem>_depth.png` (16 bit) and `<stem>_color.png`, and with `save=["npy", "exr"]` `<stem>_depth.npy`
    and `<stem>_depth.exr`. Of a model without metres they are `<stem>_disparity.png` or `<stem>_relative_depth.png`,
    and say so. A video gives `<stem>_color.mp4`. Images from below a folder keep their folders in `output`.

    Args:
        sources: an image, a folder of images, a video, a pattern, the http(s) address of an image, or a list of these.
        model: a student (file, run folder, `bundled`, OWNER/NAME on the Hub), an acclimated run, or a teacher. Default:
            the bundled student.
        output: folder for files. Without it none are written, and the depth is in the result alone.
        config: all options at once, in place of the others.
        observers: are told of the progress and of what could not be read.
        **options: the other fields of `PredictConfig`, such as `save`, `range`, `smooth`, `device` and `precision`.

    Returns:
        The result; its `depth`, `depths` and `results` hold the depth, `videos` the files of videos.

    Raises:
        DisdepthError: an unknown option, no image, no such model, or nothing could be predicted.

    Example:
        >>> from disdepth_cli import predict
        >>> predict("image.png").depth
        Depth(64x96, metric_depth, ... metres)
        >>> result = predict(["image.png"], model="bundled", output="out", save_numpy=True)
        >>> sorted(path.name for path in result.results[0].written.files.values())
        ['image_color.png', 'image_depth.npy', 'image_depth.png']
    """
    from disdepth_cli.engine.predict import predict as run

    settings = config_of(PredictConfig, config, {"sources": sources, "model": model, "output": output, **options})
    if config is None and output is None:
        settings = _without_files(settings, options)
    return run(settings, Observers(observers))


def export(
    model: str | Path | None = None,
    *,
    output: str | Path | None = None,
    config: ExportConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> ExportResult:
    """Write a student as a file for another runtime, with `export.json` and a `run.py` that needs that runtime alone.

    The file is run on real images first, and its depth compared with that of `predict`.

    Args:
        model: a student: a file, a run folder, `bundled`, or OWNER/NAME on the Hub.
        output: folder for the files. Default: exports/NAME-FORMAT.
        config: all options at once, in place of the others.
        observers: are told of the progress and of the warnings.
        **options: the other fields of `ExportConfig`, such as `format`, `precision`, `source` and `calibration`.

    Returns:
        The file, what was checked, and what the file says of itself.

    Raises:
        DisdepthError: an unknown option, no such student, a tool that is missing, or a file that does not give
            predict's depth. Then nothing is written.

    Example:
        >>> from disdepth_cli import export
        >>> result = export("bundled", source="64x96", output="out")
        >>> result.file, result.check["state"], result.metadata["unit"]
        ('out/student-64x96-fp32.onnx', 'ok', 'metres')
    """
    from disdepth_cli.engine.export import export as run

    given = {"model": model, "output": output, **options}
    return run(config_of(ExportConfig, config, given), Observers(observers))


def benchmark(
    models: str | Path | Sequence[str | Path] | None = None,
    *,
    config: BenchmarkConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> BenchmarkResult:
    """Time models on this machine, in every runtime that is installed, with their teacher beside them.

    Every model runs in a process of its own. The models take turns, so that other work slows all of them alike.

    Args:
        models: students, exported files or teachers. In their place, `students`: names of students to time before any
            training.
        config: all options at once, in place of the others.
        observers: are told of the progress.
        **options: the other fields of `BenchmarkConfig`, such as `input_size`, `threads`, `data` and `students`.

    Returns:
        One row a model and runtime.

    Raises:
        DisdepthError: an unknown option, nothing to time, or a model that cannot be found.

    Example:
        >>> from disdepth_cli import benchmark
        >>> result = benchmark(students="mobilenetv3", input_size="64x96", runs=2)
        >>> [one["student"] for one in result.students], result.threads
        (['mobilenetv3'], 1)
    """
    from disdepth_cli.engine.benchmark import benchmark as run

    given = {"models": [models] if isinstance(models, str | Path) else models, **options}
    return run(config_of(BenchmarkConfig, config, given), Observers(observers))


def push(
    model: str | Path | None = None,
    to: str | None = None,
    *,
    config: PushConfig | None = None,
    observers: Sequence[Observer] = (),
    **options: Any,
) -> PushResult:
    """Send a student to the Hugging Face Hub in one commit: weights, config.json, model card and its picture.

    Args:
        model: a run of distill, its `student.safetensors`, or `bundled`.
        to: OWNER/NAME on the Hub.
        config: all options at once, in place of the others.
        observers: are told of the warnings.
        **options: the other fields of `PushConfig`, such as `dry_run`, `private` and `licence`.

    Returns:
        What was sent and where it is; with `dry_run=True` the folder that the files were written into.

    Raises:
        DisdepthError: an unknown option, no such student, or the Hub refuses. A failed push changes nothing here.

    Example:
        >>> from disdepth_cli import push
        >>> result = push("bundled", "someone/rooms", dry_run=True, output="page")
        >>> [file["name"] for file in result.files], result.sent
        (['student.safetensors', 'config.json', 'README.md', 'depth.png'], False)
    """
    from disdepth_cli.engine.push import push as run

    return run(config_of(PushConfig, config, {"source": model, "to": to, **options}), Observers(observers))


def _without_files(config: PredictConfig, given: dict[str, Any]) -> PredictConfig:
    """The configuration with which nothing is written.

    Raises:
        ConfigError: an option was given that concerns files alone.
    """
    for name in OF_FILES:
        if given.get(name):
            raise ConfigError(f"{name}: is for files; name a folder for them, output=FOLDER")
    return config.model_copy(update={"output": None})
