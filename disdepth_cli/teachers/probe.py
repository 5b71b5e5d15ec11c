"""What a teacher's numbers are, measured on one photo whose depth is known: a rendered room (assets/README.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.teacher import Channels, Kind, TeacherNetwork, nearest_multiple, resize_view
from disdepth_cli.types import FeatureSpec
from disdepth_cli.working_size import WorkingSize

ASSETS = Path(__file__).parents[1] / "assets"
GRID = (48, 64)
"""Rows and columns at which ranks are compared."""

LARGEST = (144, 192)
"""Height and width [pixels] beyond which the probe would only be slow."""

CLEAR = 0.7
"""Both rank correlations must be beyond this, with one sign, before a direction counts.

Trained teachers have 0.95 and 0.8. Of some 6900 random tiny networks (every type, two initialisations) 1 % were beyond
it with the first (0.92 at most) and none with the second (0.65 at most).
"""

STATE_IT = 'state it in its config.json: "depth_estimation_type": "metric" (metres) or "relative" (disparity)'


@dataclass(frozen=True)
class ProbeResult:
    """One look at the room. What belongs to the depth is None for an encoder without one.

    spec: measured channels and strides of the features.
    minimum, median, maximum: of the teacher's numbers, as they are. true_median [m]: of the room's depth.
    correlation: Spearman's rank correlation of the numbers with the room's depth.
    partial: the same, of what is left in either once colour and place in the image have explained what they can
        (linearly, in ranks). A network that knows nothing is a function of these two, and may by luck order the
        room as depth does; what is left then has nothing to do with depth.
    """

    spec: FeatureSpec
    minimum: float | None = None
    median: float | None = None
    maximum: float | None = None
    true_median: float | None = None
    correlation: float | None = None
    partial: float | None = None

    @property
    def direction(self) -> int:
        """1: the numbers grow with depth; -1: they fall; 0: the room does not tell."""
        if self.correlation is None or self.partial is None:
            return 0
        weaker = min(self.correlation, self.partial, key=abs)
        if self.correlation * self.partial < 0 or abs(weaker) <= CLEAR:
            return 0
        return 1 if weaker > 0 else -1

    def doubt(self, kind: Kind) -> str | None:
        """One sentence where metres are off by more than ten times; None else."""
        if kind != "metric_depth" or self.median is None or self.true_median is None:
            return None
        if self.true_median / 10 <= self.median <= self.true_median * 10:
            return None
        return (
            f"sees a test room {self.true_median:.2g} m deep (median) as {self.median:.2g} m; "
            "check it on labelled data before you trust its metres"
        )

    def line(self, kind: Kind) -> str:
        """The figures, for people."""
        if self.median is None:
            return "features only"
        doubt = self.doubt(kind)
        return (
            f"{self.minimum:.3g} to {self.maximum:.3g}, median {self.median:.3g} (true {self.true_median:.3g} m), "
            f"rank correlation with depth {self.correlation:+.2f}, beyond colour and place {self.partial:+.2f}"
            + (f"; {doubt}" if doubt else "")
        )


def probe_size(working_size: WorkingSize, multiple: int, side: int | None = None) -> tuple[int, int]:
    """Size (height, width) [pixels] of the probe: the working size where it is small, else about LARGEST; or `side`."""
    if side is not None:
        return side, side
    height, width = working_size.padded(*LARGEST)
    if height * width <= LARGEST[0] * LARGEST[1]:
        return height, width
    return nearest_multiple(LARGEST[0], multiple), nearest_multiple(LARGEST[1], multiple)


def probe(
    network: TeacherNetwork,
    size: tuple[int, int],
    name: str,
    mean: Channels = (0.5, 0.5, 0.5),
    std: Channels = (0.5, 0.5, 0.5),
) -> ProbeResult:
    """Look at the room once, at the given size: channels, strides, and what the numbers are.

    Raises:
        TeacherError: depth or features are not finite numbers, or the depth is the same everywhere.
    """
    photo, depth = read_room()
    pixels = (resize_view(photo, size) - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    network.eval()
    with torch.no_grad():
        output, features = network(pixels)
    for seen in [*features, *([] if output is None else [output])]:
        if not bool(torch.isfinite(seen).all()):
            raise TeacherError(f"{name}: gives non-finite values for a test image; its weights are damaged, fetch anew")
    spec = FeatureSpec(
        channels=tuple(feature.shape[1] for feature in features),
        reductions=tuple(max(round(size[0] / feature.shape[2]), 1) for feature in features),
    )
    if output is None:
        return ProbeResult(spec)
    if _is_constant(network, pixels, output):
        figure = f"{float(output.min()):.4g}"
        raise TeacherError(
            f"{name}: gives {figure} everywhere in any test image; its weights are damaged or do not fit its config"
        )
    numbers = network.finish(output.float(), (output.shape[-2], output.shape[-1]))
    correlation, partial = _rank_correlations(numbers, photo, depth)
    return ProbeResult(
        spec,
        minimum=float(numbers.min()),
        median=float(numbers.median()),
        maximum=float(numbers.max()),
        true_median=float(depth.median()),
        correlation=correlation,
        partial=partial,
    )


def settle_kind(name: str, kind: Kind | None, max_depth: float | None, seen: ProbeResult) -> Kind:
    """The kind that the config declares, held against the probe; or the probe's, where it is left open (None).

    Where the numbers grow with depth and nothing says that they are metres, they are taken for relative depth.

    Raises:
        TeacherError: the two contradict each other, or neither tells.
    """
    figures = f"rank correlation with the depth of a test room {seen.correlation:+.2f}"
    if kind is None:
        if seen.direction == 0:
            raise TeacherError(f"{name}: its config.json leaves open what its numbers are ({figures}); {STATE_IT}")
        return "disparity" if seen.direction < 0 else "relative_depth"
    if seen.direction == (1 if kind == "disparity" else -1):
        move, should = ("grow", "fall") if kind == "disparity" else ("fall", "grow")
        raise TeacherError(
            f"{name}: declares {kind}, but its numbers {move} with depth ({figures}) where they should {should}; "
            + STATE_IT
        )
    if kind == "metric_depth":
        _check_metres(name, max_depth, seen)
    return kind


def read_room() -> tuple[Tensor, Tensor]:
    """The probe's photo (1, 3, H, W) RGB in [0, 1] and its depth (1, 1, H, W) [m]."""
    photo = cv2.imread(str(ASSETS / "probe_rgb.png"))
    depth = cv2.imread(str(ASSETS / "probe_depth.png"), cv2.IMREAD_UNCHANGED)
    if photo is None or depth is None:
        raise TeacherError(f"{ASSETS}: the test room is missing; install disdepth anew")
    rgb = np.ascontiguousarray(photo[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb).unsqueeze(0) / 255, torch.from_numpy(depth.astype(np.float32) / 1000)[None, None]


def _check_metres(name: str, max_depth: float | None, seen: ProbeResult) -> None:
    assert seen.minimum is not None and seen.maximum is not None
    figures = f"gives {seen.minimum:.4g} to {seen.maximum:.4g} m in a test room"
    if seen.minimum < 0:
        raise TeacherError(f"{name}: {figures}, and negative metres are no depth; use weights that fit its config.json")
    if max_depth is not None and seen.maximum > 1.05 * max_depth:
        raise TeacherError(
            f"{name}: {figures}, beyond its own max_depth of {max_depth:g} m; correct max_depth in its config.json"
        )


def _is_constant(network: TeacherNetwork, pixels: Tensor, output: Tensor) -> bool:
    """Whether the output never varies: not on the photo, its negative or one of more contrast, and not by 1e-8.

    An untrained network may well end in a ReLU that lets nothing through here, or in a sigmoid that float32 cannot
    tell from 0.5; neither is damaged.
    """
    if float(output.min()) < float(output.max()):
        return False
    try:
        with torch.no_grad():
            outputs = [network.double()(view)[0] for view in (pixels.double(), -pixels.double(), 4 * pixels.double())]
    finally:
        network.float()
    values = torch.cat([seen.flatten() for seen in outputs if seen is not None])
    return float(values.min()) == float(values.max())


def _rank_correlations(numbers: Tensor, photo: Tensor, depth: Tensor) -> tuple[float, float]:
    """Spearman's correlation of numbers (1, 1, h, w) with depth, and what is left of it beyond colour and place."""
    ours, truth = (_ranks(F.interpolate(map_, GRID, mode="area")[0, 0].numpy()) for map_ in (numbers, depth))
    known = _colour_and_place(F.interpolate(photo, GRID, mode="area")[0].numpy())
    rest = [ranks - known @ np.linalg.lstsq(known, ranks, rcond=None)[0] for ranks in (ours, truth)]
    return _correlation(ours, truth), _correlation(*rest)


def _colour_and_place(photo: np.ndarray) -> np.ndarray:
    """Ranks (N, 11) of what any network sees without knowing depth: colour, its surroundings', place; and a 1."""
    height, width = photo.shape[1:]
    rows, columns = np.mgrid[:height, :width]
    around = [cv2.GaussianBlur(channel, (0, 0), height / 12) for channel in photo]
    place = [rows, columns, (rows - height / 2) ** 2, (columns - width / 2) ** 2]
    return np.stack([*(_ranks(values) for values in [*photo, *around, *place]), np.ones(rows.size)], axis=1)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of all values, equal ones sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse.reshape(-1)]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 1e-6 else 0.0
