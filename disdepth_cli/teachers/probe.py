"""What a teacher's numbers are, measured on one photo whose depth is known: a rendered room (assets/README.md)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.contract import Channels, Kind, ProbeResult
from disdepth_cli.teachers.teacher import TeacherNetwork, nearest_multiple, resize_view
from disdepth_cli.types import FeatureSpec
from disdepth_cli.working_size import WorkingSize

ASSETS = Path(__file__).parents[1] / "assets"
GRID = (48, 64)
"""Rows and columns at which ranks are compared."""

LARGEST = (144, 192)
"""Height and width [pixels] beyond which the probe would only be slow."""

ROOMS_FOCAL = 0.8660254
"""Focal length of the room's camera over the photo's width: its field of view is 60 degrees."""


STATE_IT = 'state it in its config.json: "depth_estimation_type": "metric" (metres) or "relative" (disparity)'


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
    *focal: Tensor,
) -> ProbeResult:
    """Look at the room once, at the given size: channels, strides, and what the numbers are.

    focal (1,): the room's focal length [pixels of that size], for a network that asks for it.

    Raises:
        TeacherError: depth or features are not finite numbers, or the depth is the same everywhere.
    """
    photo, depth = read_room()
    pixels = (resize_view(photo, size) - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    network.eval()
    with torch.no_grad():
        output, features = network(pixels, *focal)
    for seen in [*features, *([] if output is None else [output])]:
        if not bool(torch.isfinite(seen).all()):
            raise TeacherError(f"{name}: gives non-finite values for a test image; its weights are damaged, fetch anew")
    spec = FeatureSpec(
        channels=tuple(feature.shape[1] for feature in features),
        reductions=tuple(max(round(size[0] / feature.shape[2]), 1) for feature in features),
    )
    if output is None:
        return ProbeResult(spec)
    if _is_constant(network, pixels, output, *focal):
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


def settle_kind(
    name: str,
    kind: Kind | None,
    max_depth: float | None,
    seen: ProbeResult,
    state_it: str = STATE_IT,
    said_in: str = "config.json",
) -> Kind:
    """The kind that the config declares, held against the probe; or the probe's, where it is left open (None).

    state_it: what to do where it is wrong. said_in: where it is declared.

    Where the numbers grow with depth and nothing says that they are metres, they are taken for relative depth.

    Raises:
        TeacherError: the two contradict each other, or neither tells.
    """
    figures = f"rank correlation with the depth of a test room {seen.correlation:+.2f}"
    if kind is None:
        if seen.direction == 0:
            raise TeacherError(f"{name}: its {said_in} leaves open what its numbers are ({figures}); {state_it}")
        return "disparity" if seen.direction < 0 else "relative_depth"
    if seen.direction == (1 if kind == "disparity" else -1):
        move, should = ("grow", "fall") if kind == "disparity" else ("fall", "grow")
        raise TeacherError(
            f"{name}: declares {kind}, but its numbers {move} with depth ({figures}) where they should {should}; "
            + state_it
        )
    if kind == "metric_depth":
        _check_metres(name, max_depth, seen, said_in)
    return kind


def read_room() -> tuple[Tensor, Tensor]:
    """The probe's photo (1, 3, H, W) RGB in [0, 1] and its depth (1, 1, H, W) [m]."""
    photo = cv2.imread(str(ASSETS / "probe_rgb.png"))
    depth = cv2.imread(str(ASSETS / "probe_depth.png"), cv2.IMREAD_UNCHANGED)
    if photo is None or depth is None:
        raise TeacherError(f"{ASSETS}: the test room is missing; install disdepth anew")
    rgb = np.ascontiguousarray(photo[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb).unsqueeze(0) / 255, torch.from_numpy(depth.astype(np.float32) / 1000)[None, None]


def _check_metres(name: str, max_depth: float | None, seen: ProbeResult, said_in: str) -> None:
    assert seen.minimum is not None and seen.maximum is not None
    figures = f"gives {seen.minimum:.4g} to {seen.maximum:.4g} m in a test room"
    if seen.minimum < 0:
        raise TeacherError(f"{name}: {figures}, and negative metres are no depth; use weights that fit its {said_in}")
    if max_depth is not None and seen.maximum > 1.05 * max_depth:
        raise TeacherError(
            f"{name}: {figures}, beyond its own max_depth of {max_depth:g} m; correct max_depth in its {said_in}"
        )


def _is_constant(network: TeacherNetwork, pixels: Tensor, output: Tensor, *focal: Tensor) -> bool:
    """Whether the output never varies: not on the photo, its negative or one of more contrast, and not by 1e-8.

    An untrained network may well end in a ReLU that lets nothing through here, or in a sigmoid that float32 cannot
    tell from 0.5; neither is damaged.
    """
    if float(output.min()) < float(output.max()):
        return False
    try:
        with torch.no_grad():
            views = (pixels.double(), -pixels.double(), 4 * pixels.double())
            outputs = [network.double()(view, *focal)[0] for view in views]
    except (RuntimeError, TypeError, ValueError):  # other people's code may ask for float32
        return True
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
    path = [rows, columns, (rows - height / 2) ** 2, (columns - width / 2) ** 2]
    return np.stack([*(_ranks(values) for values in [*photo, *around, *path]), np.ones(rows.size)], axis=1)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of all values, equal ones sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse.reshape(-1)]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 1e-6 else 0.0
