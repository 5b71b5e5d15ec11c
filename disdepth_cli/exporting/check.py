"""One verification for all formats: the written file, in its runtime, on real images, beside `predict`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.config.types import ExportPrecision
from disdepth_cli.errors import ExportError, MissingError
from disdepth_cli.exporting.exported import ExportedPredictor
from disdepth_cli.exporting.format_table import FORMATS, open_session
from disdepth_cli.exporting.metadata import ExportMetadata
from disdepth_cli.exporting.resizing import order_matters
from disdepth_cli.predictor import Predictor
from disdepth_cli.working_size import resize_image

LIMITS: dict[ExportPrecision, float] = {"fp32": 1e-5, "fp16": 2e-3, "int8": 2e-2}
"""Largest mean relative difference, by precision."""
FEW_LEVELS = 1e-3
"""The same in fp32, where the runtime may round a few grey levels of the resized image the other way."""
UNLIKE_LIMIT = 0.05
"""Largest relative difference of how unlike the training images an image is."""
NEAR = 0.01  # of the output's range: nearer depths are compared with this one


@dataclass(frozen=True)
class Parity:
    """Relative differences of depth to `predict`'s, over all pixels of some images; limit is of the mean.

    unlike: the largest one of the sign that an image is unlike the training images; 0 where the file has none.
    """

    images: int
    mean: float
    largest: float
    limit: float
    unlike: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the mean and the sign are within their limits; NaN is not."""
        return self.mean <= self.limit and self.unlike <= UNLIKE_LIMIT

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for export.json."""
        return asdict(self)


def compare(exported: Predictor, reference: Predictor, images: Sequence[np.ndarray], about: ExportMetadata) -> Parity:
    """Differences of the exported student to the reference, on images (H, W, 3) uint8 brought to the source's size."""
    means, largest, signs = [], 0.0, [0.0]
    least = NEAR * (about.max_depth - about.min_depth)
    for image in images:
        image = resize_image(image, about.source)
        wanted = reference.predict(image)
        differences = relative(exported.predict(image), wanted, least)
        if about.unlike and reference.unlike:
            signs.append(abs(exported.unlike[0] / reference.unlike[0] - 1))
        means.append(float(differences.mean()))
        largest = max(largest, float(differences.max()))
    return Parity(len(images), float(np.mean(means)), largest, _limit(about), float(np.max(signs)))


def relative(depth: np.ndarray, wanted: np.ndarray, least: float) -> np.ndarray:
    """|depth - wanted| / wanted, with wanted at least `least`."""
    return np.abs(depth - wanted) / np.maximum(np.abs(wanted), least)


def _limit(about: ExportMetadata) -> float:
    exact = FORMATS[about.format].keeps_order or about.input == "tensor"
    if about.precision == "fp32" and not exact and order_matters(about.source, about.rule().scaled(*about.source)):
        return FEW_LEVELS
    return LIMITS[about.precision]


def check_export(
    path: Path, about: ExportMetadata, reference: Predictor, images: Sequence[np.ndarray]
) -> tuple[dict[str, Any], ExportedPredictor | None]:
    """What was found, for export.json, and the file as a model where something here runs it.

    Raises:
        ExportError: its depth or its sign of unlike images is not the reference's.
    """
    try:
        session = open_session(about.format, path)
    except MissingError as error:
        return {"state": "unchecked", "reason": str(error).replace(str(path), path.name)}, None
    if session is None:
        return {"state": "unchecked", "reason": f"nothing runs {path.suffix} on this kind of machine"}, None
    exported = ExportedPredictor(session, about, path.name)
    parity = compare(exported, reference, images, about)
    if not parity.holds:
        what = (
            f"its depth differs from predict's by {parity.mean:.1e} in the mean, relative, more than {parity.limit:.0e}"
        )
        if parity.mean <= parity.limit:
            what = (
                f"its sign of unlike images differs from predict's by {parity.unlike:.0%}, more than {UNLIKE_LIMIT:.0%}"
            )
        raise ExportError(f"{path.name}: {what}: nothing was written (--no-check writes it all the same)")
    return {"state": "ok", "runtime": session.runtime, "computes_in": session.precision, **parity.as_dict()}, exported
