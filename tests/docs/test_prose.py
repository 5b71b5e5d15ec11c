"""Short sentences, and the glossary's words: README and its like, examples/ and docs/ (the notebook is older).

The generated pages among them hold every help text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("examples/*.md")])
LONGEST = 25
END = re.compile(r"(?<=[.!?])[\"')]*\s+")


def passages(page: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every paragraph, list item, heading and table cell. Code counts as one word."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        if token.type == "inline":
            yield (token.map or [0])[0] + 1, "".join(map(shown, token.children or []))


def shown(part: Token) -> str:
    if part.type in ("softbreak", "hardbreak"):
        return " "
    return "CODE" if part.type == "code_inline" else part.content


@cache
def avoided() -> dict[str, str]:
    """Word to what the glossary has instead of it."""
    table = (PROJECT / "docs" / "glossary.md").read_text(encoding="utf-8").split("| not | but |")[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:2] == "| "]
    return dict(rows)


def faults(page: Path) -> Iterator[str]:
    """What is wrong, a line each."""
    for line, text in passages(page):
        for sentence in END.split(text):
            if (words := len(sentence.split())) > LONGEST:
                yield f"{page.name}:{line}: {words} words: {sentence}"
        for word, instead in avoided().items():
            if page.name != "glossary.md" and re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE):
                yield f"{page.name}:{line}: write {instead!r} for {word!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sentences_are_short_and_words_are_the_glossarys(page: Path) -> None:
    assert not list(faults(page))


def test_the_lint_finds_what_it_is_for(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n" + "word " * 26 + ".\n\nOne. Two.\n\n- The dataset.\n\n`dataset`\n", encoding="utf-8")

    assert [fault.split(": ")[0] for fault in faults(page)] == ["page.md:3", "page.md:7"]


def test_readme_can_be_scanned() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
