"""Damage to a file's bytes, drawn by hypothesis: flipped bits, cuts, repetitions, odd words in the place of others."""

from __future__ import annotations

import re

from hypothesis import strategies as st

NUMBERS = (
    "-1",
    "0",
    "1e999",
    "-1e999",
    "nan",
    ".inf",
    "1e-320",
    "9" * 5000,
    "2147483648",
    "18446744073709551616",
    "0x10",
)
WORDS = ("", "null", "true", "[]", "{}", '""', "x" * 5000, "~nobody/x", "../../x", "/dev/zero", "a\0b", "\ud800", "é漢",
         "[" * 3000, "!!python/name:os.system", "*a", "&a [*a]", "{000000..999999}", "reference::x", "2024-13-45",
         "\x1b[31m", "|", "- - - -", "%", "1 2 3 4 5 6", "\r", "\t", '{"a": 1}', "[[1, 2], [3]]")  # fmt: skip
PATTERNS = (b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\x80\0\0\0")
_TOKEN = re.compile(rb"[\w.+-]+")


@st.composite
def damaged(draw, data: bytes, text: bool) -> bytes:
    """`data` after one to four changes. text: of words too, not of bytes alone."""
    for _ in range(draw(st.integers(1, 4))):
        change = draw(st.sampled_from(TEXTUAL if text else BINARY))
        data = change(draw, data)
    return data


def _place(draw, data: bytes) -> int:
    """Anywhere, but half of the time in the first bytes, where headers are."""
    near = draw(st.booleans())
    return int(draw(st.integers(0, max(min(len(data), 400 if near else len(data)) - 1, 0))))


def _flip(draw, data: bytes) -> bytes:
    place = _place(draw, data)
    return data[:place] + bytes([data[place] ^ 1 << draw(st.integers(0, 7))]) + data[place + 1 :] if data else data


def _pattern(draw, data: bytes) -> bytes:
    place, pattern = _place(draw, data), draw(st.sampled_from(PATTERNS))
    return data[:place] + pattern + data[place + len(pattern) :]


def _random(draw, data: bytes) -> bytes:
    place, new = _place(draw, data), draw(st.binary(min_size=1, max_size=16))
    return data[:place] + new + data[place + len(new) :]


def _insert(draw, data: bytes) -> bytes:
    place = _place(draw, data)
    return data[:place] + draw(st.binary(min_size=1, max_size=64)) + data[place:]


def _cut(draw, data: bytes) -> bytes:
    return data[: _place(draw, data)]


def _drop(draw, data: bytes) -> bytes:
    place = _place(draw, data)
    return data[:place] + data[place + draw(st.integers(1, 200)) :]


def _repeat(draw, data: bytes) -> bytes:
    place, times = _place(draw, data), draw(st.integers(2, 50))
    return data[:place] + data[place : place + 40] * times + data[place + 40 :]


def _word(draw, data: bytes) -> bytes:
    """Another word in the place of one."""
    found = list(_TOKEN.finditer(data))
    if not found:
        return data
    old = found[int(draw(st.integers(0, len(found) - 1)))]
    new = str(draw(st.sampled_from(NUMBERS + WORDS))).encode("utf-8", "surrogatepass")
    return data[: old.start()] + new + data[old.end() :]


def _lines(draw, data: bytes) -> bytes:
    """A line moved, doubled or without its end."""
    lines = data.split(b"\n")
    place, other = (int(draw(st.integers(0, len(lines) - 1))) for _ in range(2))
    how = draw(st.sampled_from(("move", "double", "join", "none")))
    if how == "join":
        return b"\n".join(lines[:place]) + b"".join(lines[place:])
    line = lines[place] if how == "double" else lines.pop(place)
    return b"\n".join(lines if how == "none" else [*lines[:other], line, *lines[other:]])


BINARY = (_flip, _flip, _pattern, _random, _insert, _cut, _drop, _repeat)
TEXTUAL = (*BINARY, _word, _word, _word, _word, _lines, _lines)
