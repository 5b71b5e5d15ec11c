"""The name of a teacher: always a text, also for an object of Python. Imports nothing that takes time."""

from __future__ import annotations

import inspect
import itertools
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from disdepth_cli.errors import NEAR

GIVEN: dict[str, Any] = {}
"""The teachers of this process that are objects, by their names in a configuration."""

OBJECT = "object:"
GROUP = "disdepth.teachers"
"""Entry points of installed packages: `mynet = "mypackage.teachers:mynet"`."""

WELL_KNOWN = {
    "depth-anything/Depth-Anything-V2-Small-hf": ("depth_anything", "disparity"),
    "depth-anything/Depth-Anything-V2-Base-hf": ("depth_anything", "disparity"),
    "depth-anything/Depth-Anything-V2-Large-hf": ("depth_anything", "disparity"),
    "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf": ("depth_anything", "metric_depth"),
    "depth-anything/Depth-Anything-V2-Metric-Outdoor-Small-hf": ("depth_anything", "metric_depth"),
    "LiheYoung/depth-anything-small-hf": ("depth_anything", "disparity"),
    "Intel/dpt-large": ("dpt", "disparity"),
    "Intel/dpt-hybrid-midas": ("dpt", "disparity"),
    "Intel/zoedepth-nyu": ("zoedepth", "metric_depth"),
    "facebook/dpt-dinov2-small-nyu": ("dpt", "metric_depth"),
    "vinvino02/glpn-nyu": ("glpn", "metric_depth"),
    "apple/DepthPro-hf": ("depth_pro", "metric_depth"),
    "google/tipsv2-b14-dpt": ("tipsv2_dpt", "metric_depth"),
}
"""Teachers on the Hub: id to `model_type` and kind. A mistyped name is compared with them."""
_FILE = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")


def file_and_function(name: str) -> tuple[Path, str] | None:
    """The parts of FILE.py:FUNCTION; None for any other name."""
    found = _FILE.fullmatch(name)
    return (Path(found["file"]).expanduser(), found["function"]) if found else None


def is_own(name: str) -> bool:
    """Whether a name means code: FILE.py:FUNCTION, an object that was given, or an entry point. Nothing is run."""
    return file_and_function(name) is not None or name in GIVEN or name.startswith(OBJECT) or name in installed()


def installed() -> tuple[str, ...]:
    """Names of the teachers that installed packages bring."""
    from importlib.metadata import entry_points

    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def teacher_hint(name: str) -> str:
    """`"; did you mean A or B?"` for well-known teachers whose id or name is near, or an empty string."""
    by_key = {key: known for known in WELL_KNOWN for key in (known.lower(), known.lower().split("/")[1])}
    close = dict.fromkeys(by_key[key] for key in get_close_matches(name.lower(), by_key, n=3, cutoff=NEAR))
    return f"; did you mean {' or '.join(close)}?" if close else ""


def none_acclimated(student: str, data: str) -> str:
    """What is said where no acclimated run is there for a student that is to have one."""
    return (
        f"no acclimated teacher for {student} under runs/; make one with: disdepth acclimate --teacher ID "
        f"--student {student} --data {data}"
    )


def teacher_name(given: Any) -> Any:
    """The name of a teacher.

    A function or class of a file is called FILE.py:FUNCTION, so that other processes find it too. Any other object is
    called `object:NAME`, and is known to this process only.
    """
    if given is None or isinstance(given, str | Path | bool | int | float | list | tuple | dict):
        return str(given) if isinstance(given, Path) else given
    name = _in_a_file(given) or _of_this_process(given)
    GIVEN[name] = given
    return name


def absolute_model(name: str) -> str:
    """The name with an absolute path, where a file or folder of that name is here."""
    return str(Path(name).absolute()) if Path(name).exists() else name


def absolute(name: str) -> str:
    """The name with an absolute path, where it has a path; run folders hold absolute paths."""
    own = file_and_function(name)
    if own is not None:
        return f"{own[0].absolute()}:{own[1]}"
    return str(Path(name).absolute()) if Path(name).is_dir() else name


def _of_this_process(given: Any) -> str:
    """`object:NAME`, another name for every object. A description has the name of its network."""
    network = getattr(given, "network", given)
    stem = OBJECT + (getattr(given, "name", None) or getattr(network, "__name__", None) or type(network).__name__)
    names = (stem if count == 1 else f"{stem}-{count}" for count in itertools.count(1))
    return next(name for name in names if GIVEN.get(name, given) is given)


def _in_a_file(given: Any) -> str | None:
    """FILE.py:FUNCTION of a function or class at the top level of a file outside packages; else None."""
    qualified = getattr(given, "__qualname__", "")
    module = inspect.getmodule(given)
    if not qualified.isidentifier() or getattr(module, qualified, None) is not given or "." in module.__name__:  # type: ignore[union-attr]
        return None
    file = getattr(module, "__file__", None)
    return f"{Path(file).absolute()}:{qualified}" if file and file.endswith(".py") else None
