"""From counts to words: what in a data set is an error, and what only deserves a look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from disdepth_cli.data.files.dataset import DataSource, Split
from disdepth_cli.evaluation.protocols import PROTOCOLS
from disdepth_cli.inspection.finding import DepthStatistics
from disdepth_cli.inspection.labels import oddities
from disdepth_cli.inspection.photographs import DEPTH_LIKE, no_photographs
from disdepth_cli.inspection.scale import PLAUSIBLE_MEDIAN, SUSPECT_MEDIAN, advice, scale_guesses
from disdepth_cli.inspection.split_counts import SplitCounts, depth_of_all

MUCH_OUT_OF_RANGE = 0.1  # of the positive depth
MUCH_AT_TOP = 0.001
SPARSE = 0.4  # lidar fills less of a frame; depth cameras and renderers more

Pairs = Sequence[tuple[str, str]]


@dataclass
class Problems:
    """errors and warnings, a line each; problems: every offending file, as {"split", "file", "problem"}."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)

    def blame(self, split: str, files: Sequence[tuple[str, str]], summary: str) -> None:
        """An error over several files, each with its problem."""
        self.problems += [{"split": split, "file": file, "problem": problem} for file, problem in files]
        self.errors.append(f"{split}: {len(files)} {summary}; the first: {files[0][0]}: {files[0][1]}")


def judge(
    source: DataSource, counts_by_split: dict[Split, SplitCounts], equal: Pairs, near: Pairs, complete: bool
) -> Problems:
    """What is wrong with a data set. equal, near: (train, val) images that are the same. complete: all were read."""
    problems = Problems()
    for split, counts in counts_by_split.items():
        _judge_files(problems, source, split, counts)
    if equal:
        problems.blame(
            "val", [(val, f"is also in train, as {train}") for train, val in equal], "images are in train too"
        )
    _judge_scale(problems, source, depth_of_all(counts_by_split.values()))
    problems.warnings += [
        *_similar(near),
        *oddities([label for counts in counts_by_split.values() for label in counts.labels]),
        *_oddities(source, counts_by_split, complete),
    ]
    return problems


def _judge_files(problems: Problems, source: DataSource, split: Split, counts: SplitCounts) -> None:
    grey = counts.kinds["image_kinds"].get(DEPTH_LIKE)
    if grey and counts.without_depth:
        problems.errors.append(no_photographs(split, grey, counts.without_depth))
    missing = [(one.where, one.reason) for one in source.missing if one.split == split]
    if missing:
        problems.blame(split, missing, "entries point nowhere")
    if counts.problems:
        problems.blame(split, counts.problems, "pairs cannot be used")
    if counts.empty and split == "val":
        empty = [(key, "no depth in the data's range") for key in counts.empty]
        problems.blame(split, empty, "images have no depth to be scored against")


def _judge_scale(problems: Problems, source: DataSource, depth: DepthStatistics) -> None:
    if not depth.pixels:
        return
    if not depth.positive:
        problems.errors.append("no depth map holds a positive, finite value")
        return
    median, far = depth.quantiles(0.5, 0.99)
    scale = source.coding.scale
    guesses = [one for one in scale_guesses(median, far, source.coding) if one.plausible and one.scale != scale]
    others = ", ".join(f"{guess.scale:g} ({guess.name}) gives {guess.median:.3g} m" for guess in guesses)
    hint = f"; of the known scales, {others}" if others else ""
    if not PLAUSIBLE_MEDIAN[0] <= median <= PLAUSIBLE_MEDIAN[1]:
        problems.errors.append(f"depth_scale {scale:g}: the median depth would be {median:.3g} m{hint}")
        return
    if median < SUSPECT_MEDIAN:
        problems.warnings.append(
            f"the median depth is {median:.3g} m at depth_scale {scale:g}, nearer than nearly all scenes: is it in "
            f"centimetres, or inverse depth?{hint}; {advice(source.coding)}"
        )
    outside = 1 - depth.in_range / depth.positive
    if outside > MUCH_OUT_OF_RANGE:
        problems.warnings.append(
            f"{outside:.0%} of the depth lies outside {source.min_depth:g} m to {source.max_depth:g} m and does not "
            f"count (1 % to 99 %: up to {far:.3g} m at depth_scale {scale:g}){hint}"
        )
    elif depth.positive / depth.pixels < SPARSE and scale != 256 and any(guess.scale == 256 for guess in guesses):
        problems.warnings.append(
            f"{depth.positive / depth.pixels:.0%} of the pixels have depth, as with lidar; KITTI's is stored x 256: "
            f"depth_scale {scale:g} gives a median of {median:.3g} m, 256 gives {median * scale / 256:.3g} m"
        )


def _oddities(source: DataSource, counts_by_split: dict[Split, SplitCounts], complete: bool) -> Iterator[str]:
    """What deserves a look, a line each."""
    if source.skipped:
        first = source.skipped[0]
        yield f"{len(source.skipped)} entries left out, the first: {first.where}: {first.reason}"
    if source.leading_slashes:
        count = source.leading_slashes
        yield f"{count} list entries begin with a slash that was dropped: they are relative to {source.root}"
    for split, counts in counts_by_split.items():
        yield from _oddities_of(source, split, counts)
    if not any(counts.pairs for counts in counts_by_split.values()):
        yield (
            "no image has depth: right for a teacher's pseudo-labels; for a published data set, give the folder above, "
            "or name its `format:` in a data.yaml"
        )
    protocol = PROTOCOLS.get(source.protocol or "")
    images = counts_by_split["val"].listed
    if protocol is None and source.protocol:
        yield f"protocol {source.protocol}: there is no such protocol; evaluate will refuse it"
    if complete and protocol is not None and protocol.images and images != protocol.images:
        yield f"{protocol.name} has {protocol.images} images, val has {images}: its figures are not the benchmark's"


def _oddities_of(source: DataSource, split: Split, counts: SplitCounts) -> Iterator[str]:
    if not counts.listed:
        yield f"{split}: is empty"
    if counts.empty and split == "train":
        yield f"train: {len(counts.empty)} depth maps have nothing in the data's range, the first: {counts.empty[0]}"
    if counts.repeated:
        first, again = counts.repeated[0]
        yield f"{split}: {len(counts.repeated)} images come twice, the first: {again} is {first}"
    if counts.depth.full > MUCH_AT_TOP * counts.depth.positive:
        share = counts.depth.full / counts.depth.positive
        yield (
            f"{split}: {share:.1%} of the depth is the largest 16-bit value, often a "
            f"mark for `no measurement`; it counts as depth where it is below max_depth ({source.max_depth:g} m): say "
            "invalid_value: 65535 in data.yaml if it is none"
        )
    if coarse := counts.kinds["depth_kinds"].get("uint8 x 1"):
        yield f"{split}: {coarse} depth maps have 8 bits, 256 steps from nearest to farthest: are they pictures?"
    if len(kinds := counts.kinds["depth_kinds"]) > 1:
        yield f"{split}: depth is stored in several ways: " + ", ".join(f"{n} x {kind}" for kind, n in kinds.items())


def _similar(near: Pairs) -> Iterator[str]:
    if near:
        train, val = near[0]
        yield f"{len(near)} val images look like one in train, the first: {val} like {train}"
