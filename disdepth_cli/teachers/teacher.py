"""One interface for every teacher: what its numbers mean (the contract) and how it is looked at (the module)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers.contract import Kind, TeacherContract
from disdepth_cli.types import DepthOutput, FeatureMaps, ViewOrigin

Infer = Callable[[Tensor, Tensor | None], DepthOutput]
"""Images (B, C, h, w) of one size, and focal lengths (B,) [pixels] where the teacher asks for them -> what it says of
them, depth at their size."""

FOCAL_IS_MISSING = (
    "needs the focal length [pixels] of each image; give it as the third entry of a line in the list, after image and "
    "depth, or as `focal:` in data.yaml"
)


class TeacherNetwork(nn.Module):
    """A model of any family behind one call; what `DepthTeacher` wraps."""

    def forward(self, pixels: Tensor, *focal: Tensor) -> tuple[Tensor | None, FeatureMaps]:
        """Normalised pixels (B, 3, h, w) -> output (B, 1, h', w') or None, and features (B, C_i, h_i, w_i).

        focal (B,): focal lengths [pixels of this input], for networks whose contract asks for them.
        """
        raise NotImplementedError

    def finish(self, output: Tensor, size: tuple[int, int]) -> Tensor:
        """Output (B, 1, h', w') float32 -> depth (B, 1, *size) in the contract's kind and unit."""
        return resize_output(output, size, "bilinear")


class DepthTeacher(nn.Module):
    """image (B, 3, H, W) RGB in [0, 1] -> `DepthOutput`: depth (B, 1, H, W) float32 or None, features (B, C, h, w).

    Any H and W will do: the view is resized to the teacher's multiple, and its depth back to (H, W). The depth is in
    the contract's kind and unit, and is not cleaned: non-finite values are the caller's affair. A teacher that sees
    whole images takes `image` for one, unless the origin of the views brings the images that they are cut from.
    """

    network: TeacherNetwork

    def __init__(self, network: TeacherNetwork, contract: TeacherContract) -> None:
        super().__init__()
        self.network = network
        self.contract = contract
        self.frozen = False
        self.learns = False  # set by tuning.unfreeze: some weights get gradients
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(contract.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(contract.std).view(1, 3, 1, 1), persistent=False)

    def freeze(self) -> DepthTeacher:
        """Evaluation mode for good (dropout and BatchNorm's buffers stand still), and no gradient to any weight."""
        self.requires_grad_(False)
        self.frozen, self.learns = True, False
        return self.eval()

    def train(self, mode: bool = True) -> DepthTeacher:
        """As `nn.Module.train`, except that a frozen teacher, or one that is tuned, stays in evaluation mode."""
        super().train(mode and not self.frozen and not self.learns)
        return self

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Size (height, width) [pixels] at which the network looks at a view of the given size."""
        if self.contract.fixed_size is not None:
            return self.contract.fixed_size
        return (
            nearest_multiple(height, self.contract.size_multiple),
            nearest_multiple(width, self.contract.size_multiple),
        )

    def forward(self, image: Tensor, origin: ViewOrigin | None = None) -> DepthOutput:
        return self.answer(image, origin, self.infer)

    def answer(self, image: Tensor, origin: ViewOrigin | None, infer: Infer) -> DepthOutput:
        """What is said of views (B, 3, H, W), by whoever looks: of the views, or of their whole images, then cut.

        Raises:
            TeacherError: it needs a focal length, or a stored map, that is not known.
        """
        whole = None if origin is None else origin.whole.get(self.contract.key)
        if origin is None or whole is None:
            if self.contract.sees == "stored":
                raise TeacherError(f"{self.contract.id}: has depth of the images that it was stored for, and no other")
            return infer(image, self._focal(origin))
        return self._cut_from(whole, origin, (image.shape[-2], image.shape[-1]), infer)

    def _focal(self, origin: ViewOrigin | None) -> Tensor | None:
        """The focal lengths of views, where the teacher asks for them.

        Raises:
            TeacherError: it does, and one is not known.
        """
        if not self.contract.needs_focal:
            return None
        if origin is None or bool(torch.isnan(origin.focal).any()):
            raise TeacherError(f"{self.contract.id}: {FOCAL_IS_MISSING}")
        return origin.focal

    def _cut_from(self, whole: list[Tensor], origin: ViewOrigin, size: tuple[int, int], infer: Infer) -> DepthOutput:
        """What is said of whole images, cut to their views, which are (H, W) = size. Images of one size are looked at
        together."""
        focal, order, parts = self._focal(origin), [], []
        for shape in dict.fromkeys(one.shape for one in whole):
            indices = [index for index, one in enumerate(whole) if one.shape == shape]
            chosen = torch.tensor([one.shape == shape for one in whole], device=origin.box.device)
            images, rows = torch.stack([whole[index] for index in indices]), origin.rows(chosen)
            images = images.float() / 255 if images.dtype == torch.uint8 else images
            scale = rows.zoom * rows.box[:, 3] * (shape[-1] / size[1])  # from the view's pixels to these
            seen = infer(images, None if focal is None else focal[chosen] * scale)
            parts.append(cut(seen, rows, size, self.contract.spec.reductions, self.contract.kind))
            order += indices
        return _in_order(parts, order)

    def infer(self, image: Tensor, focal: Tensor | None = None) -> DepthOutput:
        """One forward of the network: what it says of images (B, 3, H, W) of one size, depth (B, 1, H, W)."""
        view = (image.shape[-2], image.shape[-1])
        size = self.input_size(*view)
        pixels = (resize_view(image.float(), size) - self.mean) / self.std
        output, features = self.network(pixels, *(() if focal is None else (focal * size[1] / view[1],)))
        if output is None:
            return DepthOutput(depth=None, features=features)
        return DepthOutput(depth=self.network.finish(output.float(), view), features=features)


def cut(
    seen: DepthOutput, origin: ViewOrigin, size: tuple[int, int], strides: Sequence[int], kind: Kind
) -> DepthOutput:
    """What was said of whole images, as if it had been said of their views (H, W) = size.

    The features' grids are those that their strides have in the view. A view is magnified by its zoom: its depth is
    divided by it, disparity multiplied.
    """
    depth = None
    if seen.depth is not None:
        depth = origin.magnified(_sampled(seen.depth, origin, size), kind == "disparity")
    grids = [(max(round(size[0] / stride), 1), max(round(size[1] / stride), 1)) for stride in strides]
    features = [_sampled(feature, origin, grid) for feature, grid in zip(seen.features, grids, strict=True)]
    return DepthOutput(depth=depth, features=features)


def _sampled(of_whole: Tensor, origin: ViewOrigin, size: tuple[int, int]) -> Tensor:
    """Maps (B, C, h, w) of whole images under their views, bilinear, (B, C, *size)."""

    def spread(count: int, start: Tensor, length: Tensor) -> Tensor:
        steps = (torch.arange(count, device=start.device) + 0.5) / count
        return (start.unsqueeze(1) + steps * length.unsqueeze(1)) * 2 - 1

    top, left, height, width = origin.box.unbind(1)
    rows, columns = spread(size[0], top, height), spread(size[1], left, width)
    columns = torch.where(origin.mirrored.unsqueeze(1), columns.flip(1), columns)
    grid = torch.stack(torch.broadcast_tensors(columns.unsqueeze(1), rows.unsqueeze(2)), dim=-1)
    return F.grid_sample(of_whole.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


def _in_order(parts: Sequence[DepthOutput], order: Sequence[int]) -> DepthOutput:
    """The rows of several outputs as one, each at its place in `order`."""
    if len(parts) == 1:
        return parts[0]
    back = torch.tensor(order).argsort()
    depths = [part.depth for part in parts if part.depth is not None]
    features = [torch.cat(levels)[back] for levels in zip(*(part.features for part in parts), strict=True)]
    return DepthOutput(depth=torch.cat(depths)[back] if depths else None, features=features)


def nearest_multiple(value: int, multiple: int) -> int:
    """The multiple nearest to `value`, at least one of them."""
    return max(round(value / multiple), 1) * multiple


def resize_output(output: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Output (B, 1, h, w) -> (B, 1, *size), as it stands where it has that size."""
    if (output.shape[-2], output.shape[-1]) == size:
        return output
    return F.interpolate(output, size=size, mode=mode, align_corners=False)


def resize_view(image: Tensor, size: tuple[int, int]) -> Tensor:
    """RGB (B, 3, H, W) in [0, 1] -> (B, 3, *size).

    Bicubic, as the teachers' own image processors do; without aliasing where it shrinks. Stays in [0, 1].
    """
    if (image.shape[-2], image.shape[-1]) == size:
        return image
    shrinks = size[0] < image.shape[-2] or size[1] < image.shape[-1]
    return F.interpolate(image, size=size, mode="bicubic", align_corners=False, antialias=shrinks).clamp(0.0, 1.0)
