"""disdepth: distil any transformer depth teacher into a small, fast CNN.

The public Python API does what the commands do::

    from disdepth_cli import acclimate, check, distill, evaluate, predict, push, load_student, DepthStudent
    from disdepth_cli import benchmark, export, pack

`DepthStudent.from_pretrained("owner/name")` and `load_student("owner/name")` are the same. The
names are loaded on first use, so importing the package (and `disdepth --help`) stays free of torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_API = {
    "acclimate": "disdepth_cli.engine.acclimate",
    "benchmark": "disdepth_cli.engine.benchmark",
    "distill": "disdepth_cli.engine.distill",
    "evaluate": "disdepth_cli.engine.evaluate",
    "export": "disdepth_cli.engine.export",
    "pack": "disdepth_cli.engine.pack",
    "predict": "disdepth_cli.engine.predict",
    "push": "disdepth_cli.engine.push",
    "check": "disdepth_cli.engine.check",
    "load_student": "disdepth_cli.checkpoint.students",
    "DepthStudent": "disdepth_cli.checkpoint.students",
}
_NAMED_OTHERWISE = {"DepthStudent": "PretrainedStudent"}
__all__ = [
    "DepthStudent",
    "__version__",
    "acclimate",
    "benchmark",
    "check",
    "distill",
    "evaluate",
    "export",
    "load_student",
    "pack",
    "predict",
    "push",
]


def __getattr__(name: str) -> Any:
    if name in _API:
        value = getattr(import_module(_API[name]), _NAMED_OTHERWISE.get(name, name))
        globals()[name] = value  # the function wins over the module of the same name in no other place
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
