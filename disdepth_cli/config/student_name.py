"""Names of timm's models, read from its source text: importing timm imports torch, which takes seconds."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_MODEL = re.compile(r"@register_model\s+def (\w+)\(")


def may_be_timm(name: str) -> bool:
    """Whether timm may have a model of that name, with or without a tag of its weights.

    A name that its source text does not hold is no model. Without timm's source text, any name may be one.
    """
    bare = name.split(".")[0]
    texts = _sources()
    return not texts or bare in timm_models() or any(f"'{bare}'" in text or f'"{bare}"' in text for text in texts)


@cache
def timm_models() -> tuple[str, ...]:
    """The models that timm registers, by name."""
    return tuple(sorted({name for text in _sources() for name in _MODEL.findall(text)}))


@cache
def _sources() -> tuple[str, ...]:
    """The modules of timm's models as text. Finding a package does not import it."""
    spec = find_spec("timm")
    if spec is None or spec.origin is None:
        return ()
    files = sorted((Path(spec.origin).parent / "models").glob("*.py"))
    return tuple(file.read_text(encoding="utf-8", errors="replace") for file in files)
