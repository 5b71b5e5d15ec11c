"""Text of others in a card, as a licence or a folder's name: shown as it is, never read as Markdown or HTML."""

from __future__ import annotations

import re
import unicodedata

_MARKS = re.compile(r"([\\`*\[\]<>|&~$])")


def plain(text: object) -> str:
    """One line of text, every mark of Markdown, HTML and tables escaped."""
    return _MARKS.sub(r"\\\1", _one_line(text))


def code(text: object) -> str:
    """One line of text in the letters of code, also within a table."""
    return f"`{_one_line(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def fenced(text: str) -> str:
    """Lines for a block of code, which none of them ends."""
    return re.sub(r"`{3,}|~{3,}", "'''", text)


def _one_line(text: object) -> str:
    return "".join(" " if unicodedata.category(c).startswith("C") else c for c in " ".join(str(text).split()))
