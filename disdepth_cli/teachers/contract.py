"""What a teacher's numbers mean: the contract that is checked before training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from disdepth_cli.hub.licences import licence_note
from disdepth_cli.types import FeatureSpec
from disdepth_cli.working_size import WorkingSize

CLEAR = 0.7
"""Both rank correlations must be beyond this, with one sign, before a direction counts.

Trained teachers have 0.95 and 0.8. Of some 6900 random tiny networks (every type, two initialisations) 1 % were beyond
it with the first (0.92 at most) and none with the second (0.65 at most).
"""


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


Family = Literal["transformers", "timm", "yours", "stored"]
Sees = Literal["view", "whole", "stored"]
Kind = Literal["metric_depth", "disparity", "relative_depth", "none"]
Taps = Literal["encoder", "neck"]
Weights = Literal["local", "missing", "random"]
Channels = tuple[float, float, float]

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class StoredDepth:
    """Depth maps in files. scale: number = stored / scale. invalid: the stored number that says that nothing is known;
    numbers that are not finite say so too."""

    folder: Path
    scale: float
    invalid: float | None


@dataclass(frozen=True)
class TeacherContract:
    """What a teacher's numbers mean. Channels and strides are measured on a probe image, not taken on trust.

    kind: metric_depth [m], disparity (larger is nearer, unknown scale and shift), relative_depth (larger is farther,
        unknown scale and shift), or none: an encoder without depth of its own.
    max_depth: the largest depth [m] the teacher can give, None where it states none.
    size_multiple: both sides of its input are a multiple of this [pixels]; the teacher itself sees to it.
    mean, std: applied by the teacher itself to RGB in [0, 1].
    working_size: the input at which the teacher's own accuracy is measured.
    taps: names of the features, one per entry of `spec`; finest first, or by depth where the strides are equal.
    fixed_size: (height, width) [pixels] of the one input that it takes; None: any multiple.
    sees: in training, the student's view; or the whole image, of which depth and features are cut to the view: so for a
        fixed size, which a view would be stretched to, and for whoever judges by the whole field of view; or maps that
        are stored.
    needs_focal: it asks for the focal length.
    depth_alone: it has no features but its depth, in steps of resolution; the student learns from its depth.
    stored: where that lies.
    probe: what was measured on the probe image, None for an encoder.
    weights: "local" (loaded and probed), "missing" (on the Hub only: this contract comes from the config, nothing of
        the weights was probed) or "random" (for tests).
    weight_bytes: size of the weight files [bytes]. download: what a run would fetch first, in words.
    flops: of one image at the working size, a multiply-add counts two; None where it was not asked.
    """

    id: str
    family: Family
    model_type: str
    kind: Kind
    unit: str
    max_depth: float | None
    size_multiple: int
    mean: Channels
    std: Channels
    working_size: WorkingSize
    taps: tuple[str, ...]
    spec: FeatureSpec
    parameters: int
    licence: str | None
    revision: str | None
    fingerprint: str
    fixed_size: tuple[int, int] | None = None
    probe: ProbeResult | None = None
    weights: Weights = "local"
    weight_bytes: int = 0
    download: str = "nothing"
    flops: int | None = None
    sees: Sees = "view"
    needs_focal: bool = False
    depth_alone: bool = False
    stored: StoredDepth | None = None

    @property
    def key(self) -> str:
        """What it is called where several teachers see a batch."""
        return f"{self.id} {self.fingerprint}"

    def lines(self) -> list[str]:
        """The contract for people, one `key: value` a line."""
        size = self.working_size
        values = {
            "teacher": self.id,
            "family": self.family,
            "model_type": self.model_type,
            "kind": self.kind,
            "unit": self.unit,
            "max_depth": "none" if self.max_depth is None else f"{self.max_depth:g}",
            "output": self._output(),
            "size_multiple": str(self.size_multiple),
            "fixed_size": "none" if self.fixed_size is None else f"{self.fixed_size[0]}x{self.fixed_size[1]}",
            "working_size": f"{size.height}x{size.width} ({size.scale_rule})",
            "input_size": self._input_size(),
            "sees": self._sees(),
            "focal": "needed: of each image, in the list or data.yaml" if self.needs_focal else "not needed",
            "mean": " ".join(f"{value:g}" for value in self.mean),
            "std": " ".join(f"{value:g}" for value in self.std),
            "taps": " ".join(self.taps) + ("; depth alone: output distillation only" if self.depth_alone else ""),
            "channels": " ".join(map(str, self.spec.channels)),
            "strides": " ".join(map(str, self.spec.reductions)),
            "probe": "none" if self.probe is None else self.probe.line(self.kind),
            "parameters": str(self.parameters),
            "gflops": "not counted" if self.flops is None else f"{self.flops / 1e9:.2f} at {size.height}x{size.width}",
            "licence": self.licence or "not stated",
            "licence_note": licence_note(self.licence) or "open",
            "revision": self.revision or "none",
            "fingerprint": self.fingerprint,
            "weights": self._weights(),
            "size_on_disk": f"{self.weight_bytes / 1e6:.1f} MB" if self.weights == "local" else "0.0 MB",
            "download": self.download,
        }
        return [f"{key}: {value}" for key, value in values.items()]

    def summary(self) -> list[str]:
        """The contract in two lines: what it is and gives, what it sees and costs."""
        size, probe = self.working_size, self.probe
        cost = "" if self.flops is None else f", {self.flops / 1e9:.3g} GFLOPs"
        room = "" if probe is None or probe.correlation is None else f"; test room: {probe.correlation:+.2f} with depth"
        about = f"{self.model_type}, {self.parameters / 1e6:.1f} M parameters, {self.licence or 'no licence stated'}"
        return [
            f"teacher: {self.id} ({about}): {self._output()}",
            f"teacher: sees {self._sees()}; works at {size.height}x{size.width}{cost}{room}; --verbose tells the rest",
        ]

    def _output(self) -> str:
        """Kind, unit and range of the numbers, in words."""
        if self.kind == "metric_depth":
            return "depth in metres" + (f", up to {self.max_depth:g} m" if self.max_depth is not None else "")
        if self.kind == "disparity":
            return "inverse depth, larger is nearer, of unknown scale and shift"
        if self.kind == "relative_depth":
            return "depth, larger is farther, of unknown scale and shift"
        return "features only; depth is what acclimation learns from labelled images"

    def _input_size(self) -> str:
        """The rule for input sizes, in words."""
        size = self.working_size
        if self.fixed_size is not None:
            return f"{self.fixed_size[0]}x{self.fixed_size[1]} only; every whole image is stretched to it"
        how = {
            "cover": "aspect kept, covering",
            "short-side": "aspect kept, the shorter side fits",
            "stretch": "aspect ignored",
            "least-change": "aspect kept, the side that changes less fits",
            "as-it-is": "each image in its own size",
        }[size.scale_rule]
        return f"multiples of {self.size_multiple}; evaluated at {size.height}x{size.width}, {how}"

    def _sees(self) -> str:
        """What it is shown in training, in words."""
        return {
            "view": "the student's view",
            "whole": "the whole image once; its depth and features are cut to the student's view",
            "stored": "nothing; its stored depth is cut to the student's view",
        }[self.sees]

    def _weights(self) -> str:
        if self.weights == "missing":
            return f"not downloaded, {self.weight_bytes / 1e6:.1f} MB; described from its config, not yet probed"
        return "random" if self.weights == "random" else "on this machine, probed"
