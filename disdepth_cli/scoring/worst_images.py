"""The images a model is worst at, and a few others, drawn with their errors. Only these are predicted once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from disdepth_cli.config import EvaluateConfig
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.evaluation.protocols import Protocol
from disdepth_cli.files import disk_errors
from disdepth_cli.outputs.error_panel import Comparison, compare
from disdepth_cli.outputs.naming import output_stems
from disdepth_cli.outputs.page.evaluate_page import OWN, write_evaluate_page
from disdepth_cli.outputs.pictures import write_image
from disdepth_cli.predictor import Predictor
from disdepth_cli.results.models import EvaluateResult
from disdepth_cli.runs.folder import PAGE
from disdepth_cli.scoring.score import Scores
from disdepth_cli.scoring.shown_images import ShownImages, compared, spread
from disdepth_cli.scoring.summary import errors_of, row

IMAGES, MOST_SHOWN = 4, 12  # of the worst and of the others on a page; of the worst, if more are asked for
SHOWN = ("abs_rel", "rmse", "silog", "delta1")


def worst_keys(scores: Scores, count: int, metric: str) -> list[str]:
    """The `count` images with the worst value of a metric, the worst first; equal ones in the data's order."""
    sign = 1 if metric.startswith("delta") else -1
    values = {key: sign * float(row(scores, key)[metric] or 0) for key in scores.per_image}
    return sorted(values, key=lambda key: values[key])[:count]


def draw_worst(
    predictor: Predictor,
    source: DataSource,
    items: Mapping[str, DataItem],
    protocol: Protocol,
    scores: Scores,
    count: int,
    metric: str,
    folder: Path,
) -> list[dict[str, Any]]:
    """Write `01_<name>.png`, ... of the worst images; what they are, the worst first.

    Raises:
        DisdepthError: the folder cannot be written.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    keys = worst_keys(scores, count, metric)
    drawn = []
    for rank, (key, stem) in enumerate(zip(keys, output_stems([Path(key) for key in keys]), strict=True), start=1):
        values = row(scores, key)
        figures = "   ".join(f"{name} {values[name]:.3f}" for name in dict.fromkeys((metric, *SHOWN)))
        unit = f"scored: {100 * scores.details[key].share:.0f} % of the crop's pixels"
        aligned = "" if protocol.align == "none" else f"   align {protocol.align}"
        lines = [f"{rank}. worst of {len(scores.per_image)} by {metric}: {key}", f"{figures}   {unit}{aligned}"]
        file = folder / f"{rank:02d}_{stem}.png"
        seen = compared(predictor, source, items[key], protocol)
        assert isinstance(seen, Comparison)  # it was scored
        write_image(file, compare(seen, lines))
        drawn.append({"image": key, metric: values[metric], "file": str(file)})
    return drawn


class EvaluationImages:
    """The images that the page of an evaluation shows: its worst ones, and some others; none without a folder."""

    def __init__(
        self,
        config: EvaluateConfig,
        source: DataSource,
        items: Mapping[str, DataItem],
        protocol: Protocol,
        scores: Scores,
    ) -> None:
        """items: by their keys, in the data's order."""
        self.config, self.scores, by = config, scores, config.worst_by
        self._worst = worst_keys(scores, min(config.worst or IMAGES, MOST_SHOWN), by) if config.output else []
        rest = [key for key in scores.per_image if key not in self._worst]
        chosen = [*self._worst, *spread(rest, IMAGES)] if config.output else []
        self._images = ShownImages(source, [items[key] for key in chosen], protocol, OWN)
        known = {key: row(scores, key) for key in chosen}
        self._images.describe({key: ", ".join(_figures(values, by)) for key, values in known.items()})

    def look(self, name: str, predictor: Predictor) -> None:
        """Draw what a model makes of them."""
        self._images.look(name, predictor)

    def with_page(self, result: EvaluateResult) -> EvaluateResult:
        """Write the page into the folder; the result with its place.

        Raises:
            DisdepthError: it cannot be written.
        """
        if self.config.output is None:
            return result
        file = self.config.output / PAGE
        drawn = {one.key: one for one in self._images.images}
        worst = [drawn.pop(key) for key in self._worst if key in drawn]
        errors = errors_of(self.scores)[0]
        write_evaluate_page(file, self.config, result.as_dict(), errors, worst, list(drawn.values()))
        return replace(result, report=str(file))


def _figures(values: Mapping[str, float | None], first: str) -> list[str]:
    return [f"{name} {values[name]:.3f}" for name in dict.fromkeys((first, *SHOWN)) if values.get(name) is not None]
