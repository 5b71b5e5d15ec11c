"""Predict: images in, depth out; files and pictures where a folder is named."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.config import PredictConfig
from disdepth_cli.config.types import OutputKind
from disdepth_cli.data.files.images import read_image, reduced_from
from disdepth_cli.depth.colours import check_colormap
from disdepth_cli.depth.depth import Depth
from disdepth_cli.depth.files import UNITS
from disdepth_cli.errors import DataError
from disdepth_cli.files import disk_errors
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.outputs.naming import output_stems, photographs
from disdepth_cli.outputs.predictions import Written, write_prediction
from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.reading import reading
from disdepth_cli.results.result import Result
from disdepth_cli.scoring.open_model import open_model


@dataclass(frozen=True)
class Prediction(Result):
    """What became of one image.

    Attributes:
        image: its file.
        kind: what the numbers are, as `Depth.kind`.
        smallest: smallest finite value, in metres where `kind` is metric_depth; to three decimals.
        largest: largest one.
        written: the files, and how the PNG stores depth; None where none were asked for.
    """

    image: Path
    kind: OutputKind
    smallest: float
    largest: float
    written: Written | None = None
    _depth: Depth | None = field(default=None, repr=False)

    @property
    def depth(self) -> Depth:
        """The depth of the image. Where files were written it is read from them: float32 with `save_numpy`, else as
        the 16-bit PNG rounds it."""
        if self._depth is not None:
            return self._depth
        assert self.written is not None
        return Depth.load(self.written.exact)

    def as_dict(self) -> dict[str, Any]:
        """The object that `--json` holds for this image."""
        low, high = ("min_m", "max_m") if self.kind == "metric_depth" else ("min", "max")
        written = self.written.as_dict() if self.written else {}
        return {"image": str(self.image), **written, low: self.smallest, high: self.largest}


@dataclass(frozen=True)
class PredictResult(Result):
    """Depth of images.

    Attributes:
        model: the model that was used.
        kind: what its numbers are, as `Depth.kind`.
        results: one prediction an image that could be read, in order.
        errors: a line for each of the others.
    """

    model: str
    kind: OutputKind
    results: list[Prediction]
    errors: list[str]

    @property
    def depths(self) -> list[Depth]:
        """The depth of each image of `results`."""
        return [one.depth for one in self.results]

    @property
    def depth(self) -> Depth:
        """The depth of the only image.

        Raises:
            DataError: there are several.
        """
        if len(self.results) != 1:
            raise DataError(f"there are {len(self.results)} images: take .depths, or .results[0].depth")
        return self.results[0].depth

    def as_dict(self) -> dict[str, Any]:
        """The object that the command prints with `--json`. scale: None where the files' scales differ."""
        scales = {one.written.coding.scale if one.written else None for one in self.results}
        return {
            "checkpoint": self.model,
            "kind": self.kind,
            "unit": "metres = stored / scale" if self.kind == "metric_depth" else UNITS[self.kind],
            "scale": scales.pop() if len(scales) == 1 else None,
            "results": [one.as_dict() for one in self.results],
            "errors": self.errors,
        }


def predict(config: PredictConfig, observer: Observer = SILENT) -> PredictResult:
    """Predict the depth of images; where `config.output` is a folder, write it into files there.

    Raises:
        DisdepthError: no image, no such model, or not one image could be read.
    """
    check_colormap(config.colormap)
    inputs = find_images(config.sources)
    predictor = open_model(config.model, config.device, config.precision, config.revision, config.offline)
    if config.output is not None:
        with disk_errors(config.output):
            config.output.mkdir(parents=True, exist_ok=True)
    results: list[Prediction] = []
    errors: list[str] = []
    for done, (file, stem) in enumerate(zip(inputs, output_stems(inputs), strict=True), start=1):
        try:
            results.append(_of_one(config, file, stem, predictor, observer))
        except DataError as error:
            errors.append(str(error))
        observer.on_image(done, len(inputs))
    if not results:
        raise DataError(f"not one image could be read; the first reason: {errors[0]}")
    for message in errors:
        observer.on_warning(message)
    return PredictResult(config.model, predictor.kind, results, errors)


def _of_one(config: PredictConfig, file: Path, stem: str, predictor: DepthPredictor, observer: Observer) -> Prediction:
    """The prediction of one image; its depth is kept where it is in no file.

    Raises:
        DataError: the image cannot be read, or the model gives no finite depth.
    """
    image = read_image(file)
    size = reduced_from(file, image)
    if size is not None:
        observer.on_warning(
            f"{file}: is {size} pixels, so large that its depth is made, and written, at "
            f"{image.shape[0]}x{image.shape[1]}"
        )
    depth = predictor.predict_depth(image)
    known = depth.values[np.isfinite(depth.values)]
    if not known.size:
        raise DataError(f"{file}: the model gives no finite depth")
    low, high = round(float(known.min()), 3), round(float(known.max()), 3)
    if config.output is None:
        return Prediction(file, depth.kind, low, high, None, depth)
    return Prediction(file, depth.kind, low, high, write_prediction(config, stem, image, depth))


def find_images(sources: Sequence[str]) -> list[Path]:
    """The image files of paths, folders and patterns, in order, each once.

    Raises:
        DataError: a source that does not exist, or a folder without images.
    """
    files: list[Path] = []
    for source in sources:
        with reading(source, "is no place of images"):
            path = Path(source).expanduser()
            path.exists()
        if path.is_dir():
            found = photographs(list(path.iterdir()))
            if not found:
                raise DataError(f"{path}: a folder without images (what predict has written aside)")
        elif path.exists():
            found = [path]
        else:
            found = photographs([Path(name) for name in glob.glob(str(path))])
            if not found:
                raise DataError(f"{source}: no such image, folder or pattern")
        files += found
    return list(dict.fromkeys(files))
