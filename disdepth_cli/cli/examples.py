"""Two real command lines for the help of each command."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, str]] = {
    "demo": ("disdepth demo", "disdepth demo my-demo --steps 100"),
    "list": ("disdepth list students --latency", "disdepth list teachers --json"),
    "check": ("disdepth check data.yaml", "disdepth check my_photos --sample 200 --json"),
    "acclimate": (
        "disdepth acclimate --teacher depth-anything/Depth-Anything-V2-Small-hf --data data.yaml",
        "disdepth acclimate --teacher Intel/dpt-large --dry-run",
    ),
    "distill": (
        "disdepth distill --teacher runs/teacher --data data.yaml --epochs 20 -o runs/student",
        "disdepth distill --resume -o runs/student",
    ),
    "evaluate": (
        "disdepth evaluate runs/student --data data.yaml",
        "disdepth evaluate bundled --data data.yaml --protocol nyu-eigen --json",
    ),
    "predict": ("disdepth predict photo.jpg", "disdepth predict photos -m runs/student -o depth --save-numpy"),
    "compare": ("disdepth compare runs/student runs/other", "disdepth compare runs/* --format markdown"),
    "benchmark": (
        "disdepth benchmark runs/student bundled",
        "disdepth benchmark --students mobilenetv2,resnet18 --input-size 240x320",
    ),
    "export": (
        "disdepth export runs/student --format onnx",
        "disdepth export bundled --format openvino --precision int8 --calibration my_photos",
    ),
    "pack": ("disdepth pack data.yaml -o shards", "disdepth pack data.yaml -o shards --size 480 --resume"),
    "push": ("disdepth push runs/student --to OWNER/NAME --dry-run", "disdepth push runs/student --to OWNER/NAME"),
    "convert-teacher": (
        "disdepth convert-teacher model.pth --like depth-anything/Depth-Anything-V2-Small-hf",
        "disdepth convert-teacher model.pth --like OWNER/NAME-hf --max-depth 20 -o teacher",
    ),
}
"""Command to its examples. A test parses each of them."""


def epilog(command: str) -> str:
    """The examples as the end of a command's help; an empty line parts what Rich would join."""
    return "\n\n".join(("Examples:", *(line.replace("[", "\\[") for line in EXAMPLES[command])))
