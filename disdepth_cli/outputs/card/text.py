"""The fixed words of a student's model card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PictureKind = Literal["sample", "given", "data"]

METRIC_NAMES = {
    "abs_rel": "AbsRel",
    "sq_rel": "SqRel [m]",
    "rmse": "RMSE [m]",
    "rmse_log": "RMSE log",
    "log10": "log10",
    "silog": "SILog",
    "delta1": "delta < 1.25",
    "delta2": "delta < 1.25^2",
    "delta3": "delta < 1.25^3",
}


@dataclass(frozen=True)
class KindText:
    """How an output kind is spoken of. `range` has the fields low and high."""

    what: str
    unit: str
    file_unit: str
    range: str
    limits: tuple[str, ...]


RELATIVE = (
    "Its numbers have no unit, and their scale and shift differ from image to image: they give no metres without "
    "a known distance in the picture."
)
KINDS = {
    "metric_depth": KindText(
        what="planar depth in metres: the distance along the camera's axis",
        unit="metres",
        file_unit="16-bit PNG, stored / scale = metres",
        range="{low:g} to {high:g} m; nothing nearer or farther can be given",
        limits=(
            "Metres are right for cameras and scenes like those of the training data; another field of view scales "
            "them.",
        ),
    ),
    "disparity": KindText(
        what="relative disparity: larger is nearer",
        unit="none (relative disparity)",
        file_unit="16-bit PNG of relative disparity",
        range="relative, up to scale and shift",
        limits=(RELATIVE,),
    ),
    "relative_depth": KindText(
        what="relative depth: larger is farther",
        unit="none (relative depth)",
        file_unit="16-bit PNG of relative depth",
        range="relative, up to scale and shift",
        limits=(RELATIVE,),
    ),
}

LIMITS = (
    "One image gives one guess: glass, mirrors, sky and scenes unlike the training data are often wrong. "
    "`predict` names some of these images only. Do not let safety depend on it.",
)

PICTURES = {
    "none": "(No picture: `disdepth push --picture IMAGE` adds one.)",
    "sample": "![image and predicted depth]({file})\n\n*A room rendered by disdepth, not an image of the training "
    "data, and this student's prediction. It shows the form of the output, not its accuracy.*",
    "given": "![image and predicted depth]({file})\n\n*Images chosen by whoever published this student, and its "
    "predictions.*",
    "data": "![image and predicted depth]({file})\n\n*Validation images of the training data, under that data's own "
    "terms, and this student's predictions.*",
}

BODY = """\
# {name}

A small CNN for monocular depth, {origin} with disdepth, a reconstruction of the method DisDepth
([arXiv 2404.16386](https://arxiv.org/abs/2404.16386)).

{picture}

| | |
| --- | --- |
| output | {what} |
| unit | {unit} |
| range | {range} |
| network | {backbone} with a small decoder, {parameters} parameters |
| working size | {size} (height x width); images of any size are brought to it |

## How to use it

```
disdepth predict image.png --model {repo}{option}
disdepth evaluate {repo}{option} --data DATA
```

`predict` writes `predictions/image_depth.png` ({file_unit}) and a colour picture. In Python:

```python
from disdepth_cli import DepthStudent

student = DepthStudent.from_pretrained("{repo}"{revision})
depth = student.predict("image.png")  # a path, a PIL image, or an array (H, W, 3) of uint8 RGB; any size
print(depth.values.shape, depth.unit)  # (H, W) float32 of the image's own size; unit: {unit}
depth.save("depth.png")
```

All of the model is in `student.safetensors`; nothing else is read, and no code of this repository is run.

## Teacher

{teacher}

## Licence

{licence}

## Data

{data}

## Figures

{metrics}

## Recipe

```yaml
{recipe}
```

## Limits

{limits}

Made with disdepth {version}.
"""
