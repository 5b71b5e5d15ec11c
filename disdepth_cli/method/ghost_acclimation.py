"""What is trained around the frozen teacher: feature acclimation, ghost decoder, attention tokens."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from disdepth_cli.machine import sums as across_ranks
from disdepth_cli.models.decoder import DepthDecoder
from disdepth_cli.types import DepthOutput, FeatureMaps, FeatureSpec

STATISTICS_MOMENTUM = 0.05


class FeatureAcclimation(nn.Module):
    """Teacher features -> features of the student's channels on the student's grid.

    Per level: the sum of a conv1x1 of every teacher tap (the same as one conv1x1 on their concatenation, but taps may
    have different strides), resampled to the level's grid, norm, ReLU, conv3x3 to the student's channels.
    """

    def __init__(self, teacher: FeatureSpec, student: FeatureSpec, hidden: int = 128) -> None:
        super().__init__()
        self.student = student
        self.taps = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(c, hidden, 1, bias=False) for c in teacher.channels) for _ in student.channels
        )
        self.refine = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(hidden), nn.ReLU(), nn.Conv2d(hidden, c, 3, padding=1))
            for c in student.channels
        )

    def forward(self, features: FeatureMaps, size: tuple[int, int]) -> FeatureMaps:
        """features: the teacher's; size: (H, W) of the view in pixels, multiples of the student's strides."""
        maps = []
        for taps, refine, stride in zip(self.taps, self.refine, self.student.reductions, strict=True):
            assert isinstance(taps, nn.ModuleList)
            sums: dict[tuple[int, ...], Tensor] = {}
            for tap, feature in zip(taps, features, strict=True):
                mixed = tap(feature)
                grid = tuple(feature.shape[-2:])
                sums[grid] = sums[grid] + mixed if grid in sums else mixed
            # Resampling is linear: taps of one grid are summed first, and resampled once.
            size_here = (size[0] // stride, size[1] // stride)
            resampled = [
                F.interpolate(one, size=size_here, mode="bilinear", align_corners=False) for one in sums.values()
            ]
            maps.append(refine(torch.stack(resampled).sum(dim=0) if len(resampled) > 1 else resampled[0]))
        return maps


class AttentionTokens(nn.Module):
    """Masks M_lt = sigmoid(E_l h_l), one per token and encoder level, as in MasKD (arXiv 2205.14589)."""

    def __init__(self, spec: FeatureSpec, tokens: int) -> None:
        super().__init__()
        self.embedding = nn.ParameterList(
            nn.Parameter(torch.randn(tokens, channels) / channels**0.5) for channels in spec.channels
        )

    def forward(self, features: FeatureMaps) -> list[Tensor]:
        """Standardised features (B, C_l, h, w) per level -> masks (B, T, h, w) per level, in (0, 1)."""
        return [
            torch.sigmoid(torch.einsum("tc,bchw->bthw", tokens, feature))
            for tokens, feature in zip(self.embedding, features, strict=True)
        ]


@dataclass
class AcclimatedOutput(DepthOutput):
    """`DepthOutput` of the ghost decoder: features are the acclimated ones, h_l (B, C_l, H / r_l, W / r_l).

    teacher_depth: the teacher's own, (B, 1, H, W); teacher_features: its raw features, (B, C_t, h_t, w_t) per tap.
    """

    teacher_depth: Tensor | None = None
    teacher_features: FeatureMaps | None = None


class Acclimation(nn.Module):
    """Feature acclimation, ghost decoder (a deep copy of the student's decoder) and attention tokens.

    The per-channel mean and standard deviation of every acclimated level and every ghost decoder level are running
    statistics gathered while the ghost trains; the feature loss is scaled by them.
    """

    def __init__(self, teacher: FeatureSpec, decoder: DepthDecoder, tokens: int) -> None:
        super().__init__()
        self.fam = FeatureAcclimation(teacher, decoder.spec)
        self.ghost = copy.deepcopy(decoder)
        self.attention = AttentionTokens(decoder.spec, tokens)
        self.encoder_stats = ChannelStatistics(decoder.spec.channels)
        self.decoder_stats = ChannelStatistics((decoder.channels,) * len(decoder.spec))
        self.ghost_is_fixed = False

    def fix_ghost(self, weights: dict[str, Tensor]) -> None:
        """Take another acclimation's ghost decoder as it is: only what comes before it is learned."""
        self.ghost.load_state_dict(weights, strict=True)
        self.ghost.requires_grad_(False)
        self.ghost_is_fixed = True

    def train(self, mode: bool = True) -> Acclimation:
        """As `nn.Module.train`, except that the norms of a fixed ghost stand still."""
        super().train(mode)
        if self.ghost_is_fixed:
            self.ghost.eval()
        return self

    def forward(self, teacher_features: FeatureMaps, size: tuple[int, int]) -> AcclimatedOutput:
        """teacher_features: the frozen teacher's; size: (H, W) of the view. depth (B, 1, H, W) [m]."""
        features = self.fam(teacher_features, size)
        output = self.decode(features, size)
        if self.training:
            self.encoder_stats.update(features)
            assert output.decoder is not None
            self.decoder_stats.update(output.decoder.levels)
        return output

    def decode(self, features: FeatureMaps, size: tuple[int, int]) -> AcclimatedOutput:
        """Depth of acclimated (or masked) features through the ghost decoder."""
        decoded = self.ghost(features)
        depth = F.interpolate(decoded.depth, size=size, mode="bilinear", align_corners=False)
        return AcclimatedOutput(depth=depth, features=features, decoder=decoded)

    def masks(self, features: FeatureMaps) -> list[Tensor]:
        """Attention masks (B, T, H / r_l, W / r_l) of acclimated features per level: for who reads them."""
        return self.attention(self.encoder_stats.standardise(features))

    def freeze(self) -> Acclimation:
        """Eval mode and no gradient anywhere."""
        return self.eval().requires_grad_(False)


class ChannelStatistics(nn.Module):
    """Running mean and standard deviation per channel of a list of feature maps."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        for level, count in enumerate(channels):
            self.register_buffer(f"mean{level}", torch.zeros(count))
            self.register_buffer(f"var{level}", torch.ones(count))
        self.register_buffer("updates", torch.zeros(()))

    @torch.no_grad()
    def update(self, features: FeatureMaps) -> None:
        """Average in the statistics of one batch, of all ranks; a plain mean at first, then an exponential one."""
        updates = self.get_buffer("updates")
        updates += 1
        weight = torch.clamp(1 / updates, min=STATISTICS_MOMENTUM)
        for level, (var, mean) in enumerate(across_ranks.channel_moments(features)):
            self.get_buffer(f"mean{level}").lerp_(mean, weight)
            self.get_buffer(f"var{level}").lerp_(var, weight)

    def standardise(self, features: FeatureMaps) -> FeatureMaps:
        """(feature - mean) / std, per channel, with the same fixed numbers for every image."""
        standard = []
        for level, feature in enumerate(features):
            mean = self.get_buffer(f"mean{level}").view(1, -1, 1, 1)
            scale = self.get_buffer(f"var{level}").add(1e-6).rsqrt().view(1, -1, 1, 1)
            standard.append((feature.float() - mean) * scale)
        return standard

    def means(self) -> list[Tensor]:
        """The means, (1, C_l, 1, 1) per level."""
        levels = len(self._buffers) // 2
        return [self.get_buffer(f"mean{level}").view(1, -1, 1, 1) for level in range(levels)]
