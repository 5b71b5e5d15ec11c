"""disdepth: distil any transformer depth teacher into a small, fast CNN.

The verbs do in Python what the commands do::

    from disdepth_cli import load_student, predict

    depth = load_student("bundled").predict("image.png")  # depth.values: (H, W) float32 metres
    predict("folder", output="predictions")               # files, as `disdepth predict folder`

The names are loaded on first use, so importing the package (and `disdepth --help`) stays free of torch.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from disdepth_cli.api.data import check, pack
    from disdepth_cli.api.models import benchmark, evaluate, export, predict, push
    from disdepth_cli.api.training import acclimate, distill
    from disdepth_cli.depth.depth import Depth
    from disdepth_cli.errors import DisdepthError
    from disdepth_cli.models.student import DepthStudent, load_student
    from disdepth_cli.teachers import load_teacher

__version__ = "0.1.0"

_MODULES = {
    "Depth": "disdepth_cli.depth.depth",
    "DepthStudent": "disdepth_cli.models.student",
    "DisdepthError": "disdepth_cli.errors",
    "acclimate": "disdepth_cli.api.training",
    "benchmark": "disdepth_cli.api.models",
    "check": "disdepth_cli.api.data",
    "distill": "disdepth_cli.api.training",
    "evaluate": "disdepth_cli.api.models",
    "export": "disdepth_cli.api.models",
    "load_student": "disdepth_cli.models.student",
    "load_teacher": "disdepth_cli.teachers",
    "pack": "disdepth_cli.api.data",
    "predict": "disdepth_cli.api.models",
    "push": "disdepth_cli.api.models",
}
"""Where each public name lives."""

__all__ = [
    "Depth",
    "DepthStudent",
    "DisdepthError",
    "__version__",
    "acclimate",
    "benchmark",
    "check",
    "distill",
    "evaluate",
    "export",
    "load_student",
    "load_teacher",
    "pack",
    "predict",
    "push",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """A package whose public names stay what they are when a module of the same name is imported in it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
